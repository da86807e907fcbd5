import { slice, type Tensor } from "@lowrank/core";

/**
 * Returns `count` tensors [B, T, W]. Tensor i (from 1) holds the rows i places before the last T rows of `rows` [B,
 * count + T, W].
 */
export function earlierRows(rows: Tensor, count: number): Tensor[] {
  const T = rows.shape[1] - count;
  return Array.from({ length: count }, (_, i) => slice(rows, { dim: 1, start: count - 1 - i, end: count - 1 - i + T }));
}
