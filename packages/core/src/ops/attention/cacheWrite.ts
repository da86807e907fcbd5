import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { cat } from "../shapes/cat.ts";
import { slice } from "../shapes/slice.ts";
import { overwrite } from "../shared/inPlace.ts";
import { forEachSequence } from "./cacheSequences.ts";

/** The position in the cache of the first row to write: one number for the whole batch, or one per sequence. */
export interface CacheWriteParams {
  readonly position: number | readonly number[];
}

function check([cache, rows]: readonly TensorSpec[], { position }: CacheWriteParams): void {
  const [c, r] = [cache.shape, rows.shape];
  const fits = c.length >= 2 && r.length === c.length && c.every((size, d) => d === 1 || size === r[d]);
  if (!fits || cache.dtype !== rows.dtype) {
    throw new Error(
      `cacheWrite: ${rows.dtype} rows ${formatShape(r)} do not fit the ${cache.dtype} cache ${formatShape(c)}: only dimension 1 may differ`,
    );
  }
  if (typeof position !== "number" && position.length !== c[0]) {
    throw new Error(`cacheWrite: ${position.length} positions for a batch of ${c[0]}`);
  }
  for (const p of typeof position === "number" ? [position] : position) {
    if (!(p >= 0 && p + r[1] <= c[1])) {
      throw new Error(
        `cacheWrite: rows ${p}..${p + r[1] - 1} are outside the cache's ${c[1]} rows; make a larger cache`,
      );
    }
  }
}

/** Writes rows [B, T, ...] into cache [B, capacity, ...] from `position` on, in place. */
export const cacheWrite: Op<2, CacheWriteParams, 0> = defineOp({
  name: "cacheWrite",
  arity: 2,
  options: { position: true },
  writes: (input) => input === 0,
  shape: (inputs, params) => {
    check(inputs, params);
    return [];
  },
  ref: ([cache, rows], _outputs, params) => {
    forEachSequence(cache, rows, params, (to, from, n) => cache.data.set(rows.data.subarray(from, from + n), to));
  },
  compose: ([cache, rows], { position }) => {
    const written = (old: Tensor, start: number, ours: Tensor) =>
      cat(slice(old, { dim: 1, end: start }), ours, slice(old, { dim: 1, start: start + ours.shape[1] }), { dim: 1 });
    if (typeof position === "number") return overwrite([cache, written(cache, position, rows)]);
    if (position.length === 0) return [];
    const sequence = (t: Tensor, b: number) => slice(t, { dim: 0, start: b, end: b + 1 });
    const each = position.map((start, b) => written(sequence(cache, b), start, sequence(rows, b)));
    return overwrite([cache, cat(...each, { dim: 0 })]);
  },
});
