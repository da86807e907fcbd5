import type { Backend, BoundInputs, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { isGradEnabled } from "./gradMode.ts";
import type { InputGroup } from "./inputGroup.ts";
import { backendOf, type Op, type OpDefinition } from "./op.ts";
import { readsAreWatched } from "./reads.ts";
import { runKernel } from "./runOp.ts";
import { sameShape } from "./shape.ts";
import { boundFreeClock } from "./storage.ts";
import { Tensor } from "./tensor.ts";

/** Inputs of certain shapes for which a call was checked, and the result that it has. */
interface Checked {
  readonly backend: Backend;
  readonly inputs: readonly TensorSpec[];
  readonly output: TensorSpec;
  readonly bound: BoundInputs;
}

/**
 * Returns a function of an op's first inputs; the last ones, in groups, and the parameters, which
 * must not be changed any more, are bound to it. Without gradients these are checked at the first
 * call alone, and found in memory once for all calls that a group is bound to: an op of many small
 * constants takes longer to look at them than to compute.
 */
export function bindInputs<P>(
  op: Op<number, P>,
  groups: readonly InputGroup[],
  params: P,
): (...inputs: Tensor[]) => Tensor {
  const { definition } = op;
  const plain = op as unknown as (...args: unknown[]) => Tensor;
  const constants: Tensor[] = [];
  for (const group of groups) {
    if (group.op !== op) throw new Error(`bindInputs: a group of another op is given to ${definition.name}`);
    for (const tensor of group.tensors) constants.push(tensor);
  }
  let frees = -1;
  let anyFreed = false;
  let checked: Checked | null = null;
  /** The inputs of a call, before the constants: backends do not keep the list. */
  let all: Tensor[] = [];

  const check = (inputs: readonly Tensor[]): Checked | null => {
    all = [...inputs, ...constants];
    const specs = inputs.map((input) => input.spec());
    const backend = backendOf(definition, inputs);
    if (definition.view || all.length > (backend.maxTensors ?? Number.POSITIVE_INFINITY)) return null;
    for (const { dtype } of specs) if (isPacked(dtype)) return null;
    for (const group of groups) if (group.backend !== backend || group.hasPacked) return null;
    const output = outputOf(definition, specs, groups, params);
    if (output === null || !backend.supports(definition, all, params)) return null;
    return { backend, inputs: specs, output, bound: { first: inputs.length, groups } };
  };

  return (...inputs) => {
    if (frees !== boundFreeClock()) {
      frees = boundFreeClock();
      anyFreed = groups.some(isFreed);
    }
    if (anyFreed || isGradEnabled() || readsAreWatched()) return plain(...inputs, ...constants, params);
    if (!checked || !fits(checked, inputs)) checked = check(inputs);
    if (!checked) return plain(...inputs, ...constants, params);
    const { output, bound } = checked;
    for (let i = 0; i < inputs.length; i++) all[i] = inputs[i];
    const [storage] = runKernel(definition, all, [output], params, bound);
    return new Tensor(storage, output);
  };
}

/** Returns the one output of a call; null where there are others, or a group does not fit. */
function outputOf<P>(
  { shape, grouped }: OpDefinition<P>,
  first: readonly TensorSpec[],
  groups: readonly InputGroup[],
  params: P,
): TensorSpec | null {
  if (!grouped) {
    const output = shape([...first, ...groups.flatMap(({ specs }) => specs)], params);
    return Array.isArray(output) ? null : output;
  }
  const output = grouped.shape(first, params, groups.length);
  const key = grouped.key(first);
  for (const group of groups) {
    if (group.fits && sameShape(group.fits, key)) continue;
    if (!grouped.fits(first, group.specs)) return null;
    group.fits = key;
  }
  return output;
}

const isFreed = ({ freed }: InputGroup): boolean => freed;

function fits({ backend, inputs: specs }: Checked, inputs: readonly Tensor[]): boolean {
  return (
    inputs.length === specs.length &&
    inputs.every(({ storage, shape, dtype }, i) => {
      return storage.backend === backend && dtype === specs[i].dtype && sameShape(shape, specs[i].shape);
    })
  );
}
