import { scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { cat } from "../shapes/cat.ts";
import { gather } from "../shapes/gather.ts";
import { slice } from "../shapes/slice.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { to } from "../unary/to.ts";
import { amax, amin } from "./amax.ts";

/** Maximum number of positions along a dimension. Positions are f32, which represents every integer up to 2^24. */
const mostPositions = 2 ** 24;

/** Returns the positions 0..n-1 along `dim` as an f32 tensor of `rank` dimensions, all of size 1 except `dim`. */
function positionsAlong(like: Tensor, rank: number, dim: number, n: number): Tensor {
  if (n > mostPositions) {
    throw new Error(
      `topk: ${n} elements along the dimension are more than ${mostPositions}, the most that f32 can index`,
    );
  }
  const shape = Array.from({ length: rank }, (_, d) => (d === dim ? n : 1));
  return tensor(
    Float32Array.from({ length: n }, (_, i) => i),
    { shape, backend: like.storage.backend },
  );
}

/**
 * Returns, along `dim`, the smallest of `positions` at which x equals `best`; if x contains NaN, the position of its
 * first NaN. `none` must be larger than all positions, since it replaces the positions that do not match.
 */
function firstAt(x: Tensor, best: Tensor, positions: Tensor, none: Tensor): Tensor {
  const atBest = where(compare(x, best, { relation: "eq" }), positions, none);
  return amin(where(compare(x, x, { relation: "ne" }), positions, atBest), { shape: best.shape });
}

/** Computes `max` or `min` along a dimension from other ops. Returns values and i32 positions. */
export function composeExtremum(name: "max" | "min", x: Tensor, along: number): Tensor[] {
  const { dim, n } = alongDim(name, x.shape, along);
  const best = (name === "max" ? amax : amin)(x, { shape: withSize(x.shape, dim, 1) });
  const first = firstAt(x, best, positionsAlong(x, x.ndim, dim, n), scalarLike(x, n));
  const positions = to(first, { dtype: "i32" });
  return [gather(x, positions, { dim }), positions];
}

/** Computes `topk` from other ops, by taking the largest element k times. */
export function composeTopk(x: Tensor, k: number, along: number): Tensor[] {
  const { dim, n } = alongDim("topk", x.shape, along);
  if (k === 0 || x.size === 0) {
    const none = slice(x, { dim, end: k });
    return [none, to(none, { dtype: "i32" })];
  }
  const [none, lowest] = [scalarLike(x, n), scalarLike(x, -Infinity)];
  const all = positionsAlong(x, x.ndim, dim, n);
  const found: Tensor[] = [];
  let [left, open] = [x, all];
  for (let i = 0; i < k; i++) {
    const best = amax(left, { shape: withSize(x.shape, dim, 1) });
    const first = firstAt(left, best, open, none);
    const isFirst = compare(all, first, { relation: "eq" });
    left = where(isFirst, lowest, left);
    open = where(isFirst, none, open);
    found.push(to(first, { dtype: "i32" }));
  }
  const positions = cat(...found, { dim });
  return [gather(x, positions, { dim }), positions];
}
