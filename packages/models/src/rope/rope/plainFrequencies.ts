/** Rounds to f32, as transformers does after every step. */
export const f32: (x: number) => number = Math.fround;

/** Returns theta ** (2 i / dim), the inverse of the frequency, for each pair i of `dim` elements, in f32. */
export function wavelengths(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => theta ** f32((2 * i) / dim));
}

/** Returns the frequencies without scaling, in radians per position. */
export function plainFrequencies(theta: number, dim: number): Float32Array {
  return wavelengths(theta, dim).map((length) => 1 / length);
}
