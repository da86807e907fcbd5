import { nearestInt } from "./nearestInt.ts";

const { abs, fround, sqrt } = Math;

/** Number of elements in a group, which share one scale and one minimum. */
export const groupSize = 32;

/**
 * The inverse scales to try for a group: (most + start + step / 10) / (range of the group's values), for step 0 to
 * `steps`.
 */
export interface ScaleSearch {
  /** The largest code that a value can get. */
  readonly most: number;
  readonly start: number;
  /** The last value of `step`. The first is 0. */
  readonly steps: number;
}

/** The scale of a group, and the positive amount that is subtracted from its values (its negated minimum). */
export interface ScaleAndMinimum {
  readonly scale: number;
  readonly minimum: number;
}

const tenth = fround(0.1);
const weights = new Float32Array(groupSize);
const trial = new Float32Array(groupSize);
const taken = new Float32Array(groupSize);

/**
 * Computes `weights`: the weight of a value is its magnitude plus the root mean square of the group. Returns the sum of
 * the weights.
 */
function weigh(x: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < groupSize; i++) squares = fround(squares + fround(x[i] * x[i]));
  const usual = fround(sqrt(fround(squares / groupSize)));
  let sum = 0;
  for (let i = 0; i < groupSize; i++) {
    weights[i] = fround(usual + abs(x[i]));
    sum = fround(sum + weights[i]);
  }
  return sum;
}

/** The sums for a least-squares fit of weights w, codes c and values x: of w c (`l`), w c² (`l2`) and w x c (`xl`). */
interface Sums {
  readonly l: number;
  readonly l2: number;
  readonly xl: number;
}

/**
 * Computes the code of each value, (value - `low`) * `inverse` rounded and clipped to 0..most, and writes it to
 * `codes`. Returns the sums over these codes.
 */
function round(x: Float32Array, inverse: number, low: number, most: number, codes: Float32Array): Sums {
  let [l, l2, xl] = [0, 0, 0];
  for (let i = 0; i < groupSize; i++) {
    const nearest = nearestInt(fround(inverse * fround(x[i] - low)));
    const code = Math.max(0, Math.min(nearest, most));
    codes[i] = code;
    const weighed = fround(weights[i] * code);
    l = fround(l + weighed);
    l2 = fround(l2 + fround(weighed * code));
    xl = fround(xl + fround(weighed * x[i]));
  }
  return { l, l2, xl };
}

/** Returns the sum of squared errors, weighted. Stops early, with a partial sum, when it reaches `limit`. */
function errorOf(x: Float32Array, codes: Float32Array, scale: number, low: number, limit: number): number {
  let error = 0;
  // Terms are never negative, so the sum only grows.
  for (let i = 0; i < groupSize && !(error >= limit); i++) {
    const off = fround(fround(fround(scale * codes[i]) + low) - x[i]);
    error = fround(error + fround(weights[i] * fround(off * off)));
  }
  return error;
}

/**
 * Finds the codes, scale and minimum of 32 values. Tries several scales: for each, it computes the codes and fits scale
 * and minimum to them by least squares. The fit with the smallest error is used. Every step rounds to f32, in ggml's
 * order.
 */
export function scaleAndMinimum(x: Float32Array, codes: Uint8Array, search: ScaleSearch): ScaleAndMinimum {
  const { most, start, steps } = search;
  const sumW = weigh(x);
  let [low, high, sumX] = [0, -Infinity, 0];
  for (let i = 0; i < groupSize; i++) {
    low = Math.min(low, x[i]);
    high = Math.max(high, x[i]);
    sumX = fround(sumX + fround(weights[i] * x[i]));
  }
  if (high === low) {
    codes.fill(0);
    return { scale: 0, minimum: -low };
  }
  const inverse = fround(most / fround(high - low));
  let scale = fround(1 / inverse);
  round(x, inverse, low, most, taken);
  let best = errorOf(x, taken, scale, low, Infinity);
  for (let step = 0; step <= steps; step++) {
    const tried = fround(fround(start + fround(tenth * step)) + most);
    // Later steps start from the best minimum so far.
    const { l: sumL, l2: sumL2, xl: sumXL } = round(x, fround(tried / fround(high - low)), low, most, trial);
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (!(determinant > 0)) continue;
    let fitted = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let fittedLow = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
    if (fittedLow > 0) {
      fittedLow = 0;
      fitted = fround(sumXL / sumL2);
    }
    const error = errorOf(x, trial, fitted, fittedLow, best);
    if (!(error < best)) continue;
    taken.set(trial);
    [best, scale, low] = [error, fitted, fittedLow];
  }
  codes.set(taken);
  return { scale, minimum: -low };
}
