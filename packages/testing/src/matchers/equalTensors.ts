import { Tensor } from "@lowrank/core";

/**
 * Compares tensors for `toEqual` and `toStrictEqual`: shape, dtype and all elements must be equal, with NaN equal to
 * NaN. Without it, `expect` compares no elements, since they are in memory of the backend. Returns undefined if not
 * both values are tensors, so that other rules apply. Throws if the backend cannot read synchronously.
 */
export function equalTensors(a: unknown, b: unknown): boolean | undefined {
  if (!(a instanceof Tensor) || !(b instanceof Tensor)) return undefined;
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const [one, other] = [a.dataSync(), b.dataSync()] as ArrayLike<unknown>[];
  return Array.from(one).every((value, i) => Object.is(value, other[i]));
}
