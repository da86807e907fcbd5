import { checkOptions } from "../../internal/checkOptions.ts";
import type { TypedArray } from "../../layout/dtype.ts";

const { fround } = Math;
const gridStep = fround(2 / 65535);

/** Returns the index of the entry nearest to x in an ascending table. Of two equally near entries, it is the first. */
function nearestCode(table: TypedArray, x: number): number {
  let at = 0;
  while (x >= table[at + 1]) at++;
  const [below, above] = [fround(x - table[at]), fround((table[at + 1] ?? Infinity) - x)];
  return Math.abs(above) < Math.abs(below) ? at + 1 : at;
}

/**
 * Rounds x to the nearest of 65536 evenly spaced points from -1 to 1: bitsandbytes' CPU backend looks codes up on this
 * grid. 0 is not on the grid. So a value that is small relative to its block becomes 1.5e-5 or -1.5e-5 before the
 * lookup, and never gets the code of 0.
 */
export function onGrid(x: number): number {
  const at = Math.floor(fround(fround(fround(x + 1) * 32767.5) + 0.5));
  return fround(fround(at * gridStep) - 1);
}

/**
 * Quantises a block, and writes its codes from index `from` on. Returns its scale, which is the largest magnitude; a
 * block of zeros gets scale 0 and codes 0. `place`, such as `onGrid`, rounds each scaled value before its code is
 * looked up. Default: no rounding.
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

/** Quantises all blocks, and writes their codes and scales. */
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

/** Returns `count` evenly spaced points from 0.1 to 1, with the rounding of PyTorch's linspace. */
function boundaries(count: number): Float32Array {
  const [start, end] = [Math.fround(0.1), 1];
  const step = Math.fround(Math.fround(end - start) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) => {
    return i < count >> 1 ? start + step * i : end - step * (count - 1 - i);
  });
}

/**
 * Returns the values of the 256 8-bit codes in ascending order, f32, bit-identical to bitsandbytes' create_dynamic_map.
 * A code consists of a decimal exponent and a fraction in the remaining bits. If `signed` is false, there are no
 * negative values. Dettmers 2015, https://arxiv.org/abs/1511.04561
 */
export function dynamicMap(options: { signed?: boolean } = {}): Float32Array {
  checkOptions("dynamicMap", options, { signed: true });
  const { signed = true } = options;
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const points = boundaries(2 ** (signed ? i : i + 1) + 1);
    const scale = Math.fround(10 ** (i - 6));
    for (let j = 1; j < points.length; j++) {
      const mean = Math.fround(Math.fround(points[j - 1] + points[j]) / 2);
      values.push(scale * mean);
      if (signed) values.push(-scale * mean);
    }
  }
  return Float32Array.from(values).sort();
}
