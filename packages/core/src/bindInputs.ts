import type { Backend, BoundInputs, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { isGradEnabled } from "./gradMode.ts";
import type { InputGroup } from "./inputGroup.ts";
import { backendOf, type Op, type OpDefinition } from "./op.ts";
import { readsAreWatched } from "./reads.ts";
import { runKernel } from "./runOp.ts";
import { sameShape } from "./shape.ts";
import { boundChangeClock } from "./storage.ts";
import { Tensor } from "./tensor.ts";

/** What the groups were found to fit, and the name of that for the backend. */
interface Fit {
  readonly backend: Backend;
  readonly first: number;
  /** The part of the first inputs that counts; null where the op has none. */
  readonly key: readonly number[] | null;
  readonly bound: BoundInputs;
}

/** Parameters and inputs of certain shapes for which a call was checked, and its result. */
interface Checked<P> {
  readonly params: P;
  readonly inputs: readonly TensorSpec[];
  readonly output: TensorSpec;
  readonly fit: Fit;
}

/**
 * Returns a function of an op's parameters and its first inputs; the last ones, in groups, are
 * bound to it. Without gradients these are checked at the first call alone, and found in memory
 * once for all calls that a group is bound to: an op of many small constants takes longer to look
 * at them than to compute. Parameters are checked again where they are another object than at the
 * call before, and must not be changed.
 */
export function bindInputs<P>(
  op: Op<number, P>,
  groups: readonly InputGroup[],
): (params: P, ...inputs: Tensor[]) => Tensor {
  const { definition } = op;
  const plain = op as unknown as (...args: unknown[]) => Tensor;
  const constants: Tensor[] = [];
  for (const group of groups) {
    if (group.op !== op) throw new Error(`bindInputs: a group of another op is given to ${definition.name}`);
    for (const tensor of group.tensors) constants.push(tensor);
  }
  let looked = -1;
  let version = -1;
  let anyFreed = false;
  let fit: Fit | null = null;
  let checked: Checked<P> | null = null;
  /** The inputs of a call, before the constants: backends do not keep the list. */
  let all: Tensor[] = [];

  /** Looks whether groups were freed or written since the last call. */
  const look = (): void => {
    looked = boundChangeClock();
    anyFreed = groups.some(isFreed);
    const now = groups.reduce((latest, group) => Math.max(latest, group.version), 0);
    if (now === version) return;
    version = now;
    fit = null;
    checked = null;
  };

  const check = (inputs: readonly Tensor[], params: P): Checked<P> | null => {
    const specs = inputs.map((input) => input.spec());
    const backend = backendOf(definition, inputs);
    const output = outputOf(definition, specs, groups, params);
    if (!output || specs.some(isPackedSpec)) return null;
    const key = definition.grouped?.key(specs) ?? null;
    if (!fit || !isSameFit(fit, backend, specs.length, key)) {
      if (!fitGroups(definition, backend, specs, groups, key)) return null;
      fit = { backend, first: specs.length, key, bound: { first: specs.length, groups } };
    }
    all = [...inputs, ...constants];
    const most = backend.maxTensors ?? Number.POSITIVE_INFINITY;
    if (all.length > most || !backend.supports(definition, all, params)) return null;
    return { params, inputs: specs, output, fit };
  };

  return (params, ...inputs) => {
    if (looked !== boundChangeClock()) look();
    if (anyFreed || isGradEnabled() || readsAreWatched()) return plain(...inputs, ...constants, params);
    if (checked?.params !== params || !fits(checked, inputs)) checked = check(inputs, params);
    if (!checked) return plain(...inputs, ...constants, params);
    const { output, fit: found } = checked;
    for (let i = 0; i < inputs.length; i++) all[i] = inputs[i];
    const [storage] = runKernel(definition, all, [output], params, found.bound);
    return new Tensor(storage, output);
  };
}

/** Returns the one output of a call; null where there are others, or it is a view. */
function outputOf<P>(
  { shape, grouped, view }: OpDefinition<P>,
  first: readonly TensorSpec[],
  groups: readonly InputGroup[],
  params: P,
): TensorSpec | null {
  if (view) return null;
  if (grouped) return grouped.shape(first, params, groups.length);
  const output = shape([...first, ...groups.flatMap(({ specs }) => specs)], params);
  return Array.isArray(output) ? null : output;
}

function isSameFit(fit: Fit, backend: Backend, first: number, key: readonly number[] | null): boolean {
  return fit.backend === backend && fit.first === first && (fit.key === key || sameShape(fit.key ?? [], key ?? []));
}

/** True if all groups lie on the backend and fit the first inputs. */
function fitGroups<P>(
  { grouped }: OpDefinition<P>,
  backend: Backend,
  first: readonly TensorSpec[],
  groups: readonly InputGroup[],
  key: readonly number[] | null,
): boolean {
  for (const group of groups) {
    if (group.backend !== backend || group.hasPacked) return false;
    if (!grouped || !key || (group.fits && sameShape(group.fits, key))) continue;
    if (!grouped.fits(first, group.specs)) return false;
    group.fits = key;
  }
  return true;
}

const isFreed = ({ freed }: InputGroup): boolean => freed;

const isPackedSpec = ({ dtype }: TensorSpec): boolean => isPacked(dtype);

function fits<P>({ fit: { backend }, inputs: specs }: Checked<P>, inputs: readonly Tensor[]): boolean {
  return (
    inputs.length === specs.length &&
    inputs.every(({ storage, shape, dtype }, i) => {
      return storage.backend === backend && dtype === specs[i].dtype && sameShape(shape, specs[i].shape);
    })
  );
}
