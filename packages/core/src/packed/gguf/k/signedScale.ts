import { nearestInt } from "./nearestInt.ts";

const { abs, fround } = Math;

/** Number of elements that share one scale. */
export const signedGroup = 16;

/** Magnitudes below this count as zero. */
export const nothing: number = fround(1e-15);

const tenth = fround(0.1);

/** Returns the code of a value, x * inverse rounded to an integer from -most to most - 1. */
function codeOf(x: number, inverse: number, most: number): number {
  return Math.max(-most, Math.min(most - 1, nearestInt(fround(inverse * x))));
}

/**
 * Returns the sums that the least-squares fit of a scale needs: value * code (`xl`) and code² (`l2`), weighted by the
 * squares of the values.
 */
function weighedSums(x: Float32Array, inverse: number, most: number): readonly [xl: number, l2: number] {
  let [xl, l2] = [0, 0];
  for (let i = 0; i < signedGroup; i++) {
    const code = codeOf(x[i], inverse, most);
    const weight = fround(x[i] * x[i]);
    xl = fround(xl + fround(fround(weight * x[i]) * code));
    l2 = fround(l2 + fround(fround(weight * code) * code));
  }
  return [xl, l2];
}

function write(x: Float32Array, inverse: number, most: number, codes: Uint8Array): void {
  for (const i of codes.keys()) codes[i] = most + codeOf(x[i], inverse, most);
}

/**
 * Finds the scale of 16 values and writes their codes, each plus `most`. First tries the scale at which the value of
 * largest magnitude gets the code -most, then 18 scales near it. Each scale is then fitted to its codes by least
 * squares, and the best fit is used. Every step rounds to f32, in ggml's order.
 */
export function signedScale(x: Float32Array, codes: Uint8Array, most: number): number {
  let largest = 0;
  for (let i = 0; i < signedGroup; i++) if (abs(x[i]) > abs(largest)) largest = x[i];
  if (abs(largest) < nothing) {
    codes.fill(0);
    return 0;
  }
  const first = fround(-most / largest);
  const [firstXl, firstL2] = weighedSums(x, first, most);
  write(x, first, most, codes);
  let scale = fround(firstXl / firstL2);
  let best = fround(scale * firstXl);
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const inverse = fround(-fround(most + fround(tenth * step)) / largest);
    const [xl, l2] = weighedSums(x, inverse, most);
    if (!(l2 > 0 && fround(xl * xl) > fround(best * l2))) continue;
    write(x, inverse, most, codes);
    scale = fround(xl / l2);
    best = fround(scale * xl);
  }
  return scale;
}
