import { broadcastStrides, type Shape } from "./shape.ts";

/**
 * The sizes and strides for a loop over broadcast operands. `sizes` are the sizes of the dimensions, where adjacent
 * ones are merged if possible; `strides` holds, for each operand, its stride in each dimension, in elements.
 */
export interface Traversal {
  readonly sizes: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * Returns the sizes and strides for a loop over `operands` broadcast to `target`. Adjacent dimensions are merged if
 * every operand can step through both with a single stride.
 */
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
 * Calls `visit` for every index of the outer dimensions, which are all but the last `inner` ones. It passes the element
 * offsets in the output and in each operand.
 */
export function forEachOuter(
  { sizes, strides }: Traversal,
  inner: number,
  visit: (outOffset: number, offsets: readonly number[]) => void,
): void {
  if (sizes.some((size) => size === 0)) return;
  const outer = sizes.length - inner;
  const length = sizes.slice(outer).reduce((product, size) => product * size, 1);
  const offsets = strides.map(() => 0);
  const counter = new Array<number>(outer).fill(0);
  for (let out = 0; ; out += length) {
    visit(out, offsets);
    let d = outer - 1;
    for (; d >= 0; d--) {
      for (const [k, s] of strides.entries()) offsets[k] += s[d];
      if (++counter[d] < sizes[d]) break;
      for (const [k, s] of strides.entries()) offsets[k] -= s[d] * sizes[d];
      counter[d] = 0;
    }
    if (d < 0) return;
  }
}

/**
 * Calls `row` for each row, which is the elements along the last dimension. Passes the element offsets of the row's
 * start in the output and in each operand, the row's length, and each operand's stride within the row.
 */
export function forEachRow(
  traversal: Traversal,
  row: (outOffset: number, offsets: readonly number[], length: number, inner: readonly number[]) => void,
): void {
  const last = traversal.sizes.length - 1;
  const inner = traversal.strides.map((s) => s[last]);
  forEachOuter(traversal, 1, (out, offsets) => row(out, offsets, traversal.sizes[last], inner));
}

/**
 * The last two dimensions of a loop over broadcast operands: their sizes, and each operand's strides between rows and
 * within a row.
 */
export interface Plane {
  readonly rows: number;
  readonly length: number;
  readonly row: readonly number[];
  readonly inner: readonly number[];
}

/**
 * Calls `visit` for every index of all dimensions but the last two. A kernel then processes a whole plane of the last
 * two dimensions in one call, which is faster for many short rows.
 */
export function forEachPlane(
  traversal: Traversal,
  visit: (outOffset: number, offsets: readonly number[], plane: Plane) => void,
): void {
  const { sizes, strides } = traversal;
  const last = sizes.length - 1;
  const plane: Plane = {
    rows: last > 0 ? sizes[last - 1] : 1,
    length: sizes[last],
    row: strides.map((s) => (last > 0 ? s[last - 1] : 0)),
    inner: strides.map((s) => s[last]),
  };
  forEachOuter(traversal, Math.min(2, sizes.length), (out, offsets) => visit(out, offsets, plane));
}
