import { broadcastStrides, type Shape } from "./shape.ts";

/** A broadcast traversal with adjacent dimensions merged: sizes, and for each operand its stride per dimension. */
export interface Traversal {
  readonly sizes: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** Merges the dimensions of `target` along which every operand either steps evenly or stands still. */
export function collapse(target: Shape, operands: readonly Shape[]): Traversal {
  const full = operands.map((shape) => broadcastStrides(shape, target));
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  for (let d = 0; d < target.length; d++) {
    if (target[d] === 1) continue;
    const last = sizes.length - 1;
    const merges = last >= 0 && full.every((s, k) => strides[k][last] === s[d] * target[d]);
    if (merges) {
      sizes[last] *= target[d];
      for (const [k, s] of full.entries()) strides[k][last] = s[d];
    } else {
      sizes.push(target[d]);
      for (const [k, s] of full.entries()) strides[k].push(s[d]);
    }
  }
  if (sizes.length === 0) {
    sizes.push(1);
    for (const s of strides) s.push(0);
  }
  return { sizes, strides };
}

/**
 * Calls `row` for every innermost run of a traversal with the output offset and each operand's offset, and the run's
 * length and strides: `row(outOffset, offsets, length, innerStrides)`.
 */
export function forEachRow(
  { sizes, strides }: Traversal,
  row: (outOffset: number, offsets: readonly number[], length: number, inner: readonly number[]) => void,
): void {
  const last = sizes.length - 1;
  const length = sizes[last];
  const inner = strides.map((s) => s[last]);
  const offsets = strides.map(() => 0);
  const counter = new Array<number>(last).fill(0);
  if (sizes.some((size) => size === 0)) return;
  for (let out = 0; ; out += length) {
    row(out, offsets, length, inner);
    let d = last - 1;
    for (; d >= 0; d--) {
      for (const [k, s] of strides.entries()) offsets[k] += s[d];
      if (++counter[d] < sizes[d]) break;
      for (const [k, s] of strides.entries()) offsets[k] -= s[d] * sizes[d];
      counter[d] = 0;
    }
    if (d < 0) return;
  }
}
