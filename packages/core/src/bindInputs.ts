import type { Backend, BoundInputs, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { isGradEnabled } from "./gradMode.ts";
import { backendOf, type Op } from "./op.ts";
import { readsAreWatched } from "./reads.ts";
import { runKernel } from "./runOp.ts";
import { sameShape } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Inputs of certain shapes for which a call was checked, and the result that it has. */
interface Checked {
  readonly backend: Backend;
  readonly inputs: readonly TensorSpec[];
  readonly output: TensorSpec;
  readonly bound: BoundInputs;
}

/**
 * Returns a function of an op's first inputs; the last ones and the parameters, which must not be
 * changed any more, are bound to it. Without gradients these are checked, and found in memory, at
 * the first call alone: an op of many small constants takes longer to look at them than to compute.
 */
export function bindInputs<P>(
  op: Op<number, P>,
  constants: readonly Tensor[],
  params: P,
): (...inputs: Tensor[]) => Tensor {
  const { definition } = op;
  const plain = op as unknown as (...args: unknown[]) => Tensor;
  const storages = constants.map(({ storage }) => storage);
  let checked: Checked | null = null;
  /** The inputs of a call, before the constants: backends do not keep the list. */
  let all: Tensor[] = [];

  const check = (inputs: readonly Tensor[]): Checked | null => {
    all = [...inputs, ...constants];
    const backend = backendOf(definition, all);
    if (all.length > (backend.maxTensors ?? Number.POSITIVE_INFINITY)) return null;
    if (definition.view || all.some(({ dtype }) => isPacked(dtype))) return null;
    const output = definition.shape(all, params);
    if (Array.isArray(output) || !backend.supports(definition, all, params)) return null;
    const specs = inputs.map((input) => input.spec());
    return { backend, inputs: specs, output, bound: { first: inputs.length } };
  };

  return (...inputs) => {
    if (isGradEnabled() || readsAreWatched() || storages.some(isFreed)) return plain(...inputs, ...constants, params);
    if (!checked || !fits(checked, inputs)) checked = check(inputs);
    if (!checked) return plain(...inputs, ...constants, params);
    const { output, bound } = checked;
    for (let i = 0; i < inputs.length; i++) all[i] = inputs[i];
    const [storage] = runKernel(definition, all, [output], params, bound);
    return new Tensor(storage, output);
  };
}

const isFreed = ({ freed }: { freed: boolean }): boolean => freed;

function fits({ backend, inputs: specs }: Checked, inputs: readonly Tensor[]): boolean {
  return (
    inputs.length === specs.length &&
    inputs.every(({ storage, shape, dtype }, i) => {
      return storage.backend === backend && dtype === specs[i].dtype && sameShape(shape, specs[i].shape);
    })
  );
}
