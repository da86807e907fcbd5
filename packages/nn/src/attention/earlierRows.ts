import { slice, type Tensor } from "@lowrank/core";

/**
 * Returns what a causal convolution reads: `count` tensors [B, T, W] from `rows` [B, count + T, W], whose last T rows
 * are the current ones. Tensor i (counted from 1) holds, for each current row, the row i positions before it.
 */
export function earlierRows(rows: Tensor, count: number): Tensor[] {
  const T = rows.shape[1] - count;
  return Array.from({ length: count }, (_, i) => slice(rows, { dim: 1, start: count - 1 - i, end: count - 1 - i + T }));
}
