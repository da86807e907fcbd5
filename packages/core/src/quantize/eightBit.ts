import type { TypedArray } from "../dtype.ts";

/** The position of the entry of an ascending table that is nearest to x; of two equally near, the first. */
function nearestCode(table: TypedArray, x: number): number {
  let at = 0;
  while (at + 1 < table.length && x >= table[at + 1]) at++;
  const [below, above] = [Math.fround(x - table[at]), Math.fround((table[at + 1] ?? Infinity) - x)];
  return Math.abs(above) < Math.abs(below) ? at + 1 : at;
}

/** Writes the codes of a block from `from` on and gives back its scale, the largest magnitude; in a block of zeros all are 0. */
export function encodeBlock(values: Float32Array, table: TypedArray, codes: TypedArray, from: number): number {
  const scale = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const inverse = Math.fround(1 / scale);
  for (const [i, x] of values.entries()) {
    codes[from + i] = scale === 0 ? 0 : nearestCode(table, Math.fround(x * inverse));
  }
  return scale;
}

/** Writes the codes of all blocks and their scales. */
export function encodeBlocks(
  values: Float32Array,
  table: TypedArray,
  blockSize: number,
  codes: TypedArray,
  scales: TypedArray,
): void {
  for (let from = 0, block = 0; from < values.length; from += blockSize, block++) {
    scales[block] = encodeBlock(values.subarray(from, from + blockSize), table, codes, from);
  }
}
