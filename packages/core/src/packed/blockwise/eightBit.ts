import type { TypedArray } from "../../layout/dtype.ts";

const { fround } = Math;
const gridStep = fround(2 / 65535);

/**
 * The position of the entry of an ascending table that is nearest to x; of two
 * equally near, the first.
 */
function nearestCode(table: TypedArray, x: number): number {
  let at = 0;
  while (at + 1 < table.length && x >= table[at + 1]) at++;
  const [below, above] = [fround(x - table[at]), fround((table[at + 1] ?? Infinity) - x)];
  return Math.abs(above) < Math.abs(below) ? at + 1 : at;
}

/**
 * The nearest of 65536 points evenly spaced from -1 to 1, on which bitsandbytes' CPU backend looks
 * codes up. 0 lies between two of them: a number that is small against its block gets the code of
 * 1.5e-5 or -1.5e-5, never that of 0.
 */
export function onGrid(x: number): number {
  const at = Math.floor(fround(fround(fround(x + 1) * 32767.5) + 0.5));
  return fround(fround(at * gridStep) - 1);
}

/**
 * Writes the codes of a block from `from` on and gives back its scale, the largest magnitude; in a
 * block of zeros all are 0. `place` moves the scaled numbers before they are looked up.
 */
export function encodeBlock(
  values: Float32Array,
  table: TypedArray,
  codes: TypedArray,
  from: number,
  place: (x: number) => number = (x) => x,
): number {
  const scale = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const inverse = fround(1 / scale);
  for (const [i, x] of values.entries()) {
    codes[from + i] = scale === 0 ? 0 : nearestCode(table, place(fround(x * inverse)));
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
