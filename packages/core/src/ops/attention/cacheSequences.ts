import type { TensorSpec } from "../../backends/backend.ts";
import type { CacheWriteParams } from "./cacheWrite.ts";

/**
 * Calls `run` for each sequence of the batch. Passes three numbers of elements: the offset of the sequence's new rows
 * in the cache, their offset in `rows`, and their total size.
 */
export function forEachSequence(
  cache: TensorSpec,
  rows: TensorSpec,
  { position }: CacheWriteParams,
  run: (cacheOffset: number, rowsOffset: number, length: number) => void,
): void {
  const [batch, tokens, ...rest] = rows.shape;
  const width = rest.reduce((a, b) => a * b, 1);
  for (let b = 0; b < batch; b++) {
    const at = typeof position === "number" ? position : position[b];
    run((b * cache.shape[1] + at) * width, b * tokens * width, tokens * width);
  }
}
