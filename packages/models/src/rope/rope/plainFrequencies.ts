/** Rounds to f32, as every step of transformers' arithmetic does. */
export const f32: (x: number) => number = Math.fround;

/** Returns theta ** (2 i / dim) for each pair i of `dim` rotated elements, in f32. */
export function wavelengths(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => theta ** f32((2 * i) / dim));
}

/** Returns the frequencies without scaling, in radians per position. */
export function plainFrequencies(theta: number, dim: number): Float32Array {
  return wavelengths(theta, dim).map((length) => 1 / length);
}
