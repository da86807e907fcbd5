const { fround } = Math;

/** 1.5 * 2^23. Adding it rounds a small f32 to an integer, because f32 values of this size have no fractional bits. */
const shift = 12582912;

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/**
 * Rounds an f32 to the nearest integer, ties to even, as ggml does: by adding a large number. For magnitudes above
 * 2^22, and for NaN, it returns the same meaningless bits as ggml.
 */
export function nearestInt(x: number): number {
  float[0] = fround(x + shift);
  return (bits[0] & 0x7fffff) - 0x400000;
}
