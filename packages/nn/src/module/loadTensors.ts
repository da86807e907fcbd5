import { copyInto, type DType, formatShape, isPacked, noGrad, scope, type Tensor, to } from "@lowrank/core";

/** Tensors by name, as `stateDict` returns them. */
export type StateDict = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Differences between the names of a module's tensors and the names in a state dict. */
export interface LoadReport {
  /** Names that the module has and the state dict lacks. */
  missingKeys: string[];
  /** Names that the state dict has and the module lacks. */
  unexpectedKeys: string[];
}

/** Dtypes that are converted to f32 (without rounding) when they are loaded into an f32 tensor. */
const widened: readonly DType[] = ["f16", "bf16"];

function misfit(name: string, target: Tensor, source: Tensor): string | undefined {
  if (source.shape.join() !== target.shape.join()) {
    return `"${name}" is ${formatShape(source.shape)}, and the module has ${formatShape(target.shape)}`;
  }
  if (isPacked(target.dtype)) {
    return `"${name}" is ${source.dtype}, and the module holds it packed as ${target.dtype}; load it before quantize`;
  }
  if (source.dtype !== target.dtype && !(target.dtype === "f32" && widened.includes(source.dtype))) {
    return `"${name}" is ${source.dtype}, and the module has ${target.dtype}; cast it with to("${target.dtype}")`;
  }
  const [here, there] = [target.storage.backend, source.storage.backend];
  if (here === there) return undefined;
  return `"${name}" lies on ${there.name}, and the module on ${here.name}; copy it with toBackend`;
}

/**
 * Copies the tensors of `dict` into the tensors of the same names in `targets`, in place. Converts f16 and bf16 to f32
 * if the target is f32. A tensor with several names needs only one of them in `dict`. Throws one error that lists every
 * mismatch, and then changes nothing. Missing and unexpected names are mismatches only if `strict` is true; otherwise
 * they are only returned.
 */
export function loadTensors(targets: ReadonlyMap<string, Tensor>, dict: StateDict, strict: boolean): LoadReport {
  const given = dict instanceof Map ? (dict as ReadonlyMap<string, Tensor>) : new Map(Object.entries(dict));
  const filled = new Set([...targets].flatMap(([name, target]) => (given.has(name) ? [target] : [])));
  const missingKeys = [...targets].flatMap(([name, target]) => (filled.has(target) ? [] : [name]));
  const unexpectedKeys = [...given.keys()].filter((name) => !targets.has(name));
  const pairs = [...given].flatMap(([name, source]) => {
    const target = targets.get(name);
    return target && target !== source ? [{ name, target, source }] : [];
  });
  const problems = pairs.flatMap(({ name, target, source }) => misfit(name, target, source) ?? []);
  if (strict && missingKeys.length > 0) problems.unshift(`missing keys: ${missingKeys.join(", ")}`);
  if (strict && unexpectedKeys.length > 0) problems.push(`unexpected keys: ${unexpectedKeys.join(", ")}`);
  if (problems.length > 0) {
    throw new Error(`loadStateDict: ${problems.join("; ")}. Nothing was changed`);
  }
  noGrad(() => {
    for (const { target, source } of pairs) {
      scope(() => copyInto(target, source.dtype === target.dtype ? source : to(source, { dtype: target.dtype })));
    }
  });
  return { missingKeys, unexpectedKeys };
}
