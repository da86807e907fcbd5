/** Rounds to f32, as every step of transformers' arithmetic does. */
export const f32: (x: number) => number = Math.fround;

/** theta to the power of 2 i / dim, for each pair of `dim` turning numbers, in f32. */
export function wavelengths(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => theta ** f32((2 * i) / dim));
}

/** The frequencies of rotary embedding without scaling, in radians per position. */
export function plainFrequencies(theta: number, dim: number): Float32Array {
  return wavelengths(theta, dim).map((length) => 1 / length);
}
