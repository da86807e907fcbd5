import { slice, type Tensor } from "@lowrank/core";

/**
 * Returns, for each number from 1 to `count`, the rows [B, T, W] that stand so many places before
 * the last T of `rows` [B, count + T, W].
 */
export function earlierRows(rows: Tensor, count: number): Tensor[] {
  const T = rows.shape[1] - count;
  return Array.from({ length: count }, (_, i) => slice(rows, { dim: 1, start: count - 1 - i, end: count - 1 - i + T }));
}
