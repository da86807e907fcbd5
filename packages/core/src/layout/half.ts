function checkLength(what: string, source: number, target: number): void {
  if (target < source) throw new Error(`${what}: the target holds ${target} elements and the source ${source}`);
}

/** Rounds each f32 to the nearest bf16, ties to even. NaN stays NaN. */
export function f32ToBf16(src: Float32Array, dst: Uint16Array): void {
  checkLength("f32ToBf16", src.length, dst.length);
  const bits = new Uint32Array(src.buffer, src.byteOffset, src.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i];
    // Rounding could carry a NaN's mantissa into an infinity, so a NaN is truncated and its quiet bit set.
    dst[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
}

/** Converts bf16 values to f32, which is exact. */
export function bf16ToF32(src: Uint16Array, dst: Float32Array): void {
  checkLength("bf16ToF32", src.length, dst.length);
  const bits = new Uint32Array(dst.buffer, dst.byteOffset, dst.length);
  for (let i = 0; i < src.length; i++) bits[i] = src[i] << 16;
}

/** Returns the bits of the f16 nearest to the f32 whose bits are x. */
function halfOf(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const abs = x & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00 | ((abs >>> 13) & 0x3ff);
  // From 2^-14 on: move the exponent's bias from 127 to 15 and round away 13 bits of the mantissa. What rounds to 2^16
  // or more is infinity.
  if (abs >= 0x38800000) return sign | Math.min((abs - 0x38000000 + 0xfff + ((abs >>> 13) & 1)) >>> 13, 0x7c00);
  // Magnitudes up to 2^-25, half of the smallest f16, round to zero.
  if (abs <= 0x33000000) return sign;
  const mantissa = (abs & 0x7fffff) | 0x800000;
  const shift = 126 - (abs >>> 23);
  const truncated = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && (truncated & 1) === 1) ? truncated + 1 : truncated);
}

/** Rounds each f32 to the nearest f16, ties to even. Values that round above 65504 become infinity; NaN stays NaN. */
export function f32ToF16(src: Float32Array, dst: Uint16Array): void {
  checkLength("f32ToF16", src.length, dst.length);
  const bits = new Uint32Array(src.buffer, src.byteOffset, src.length);
  for (let i = 0; i < bits.length; i++) dst[i] = halfOf(bits[i]);
}

/** Converts f16 values to f32, which is exact. */
export function f16ToF32(src: Uint16Array, dst: Float32Array): void {
  checkLength("f16ToF32", src.length, dst.length);
  const bits = new Uint32Array(dst.buffer, dst.byteOffset, dst.length);
  for (let i = 0; i < src.length; i++) {
    const code = src[i];
    const magnitude = code & 0x7fff;
    if (magnitude < 0x400) {
      const value = magnitude * 2 ** -24;
      dst[i] = code & 0x8000 ? -value : value;
    } else {
      // Infinity and NaN keep their all-ones exponent; for other values the bias moves from 15 to 127.
      const bias = magnitude >= 0x7c00 ? 0x70000000 : 0x38000000;
      bits[i] = ((code & 0x8000) << 16) | ((magnitude << 13) + bias);
    }
  }
}

let table: Float32Array | undefined;

/**
 * Returns a table with the f32 value of each of the 65536 f16 codes. `readF16` uses this table instead of `f16ToF32`,
 * which needs a Uint16Array. Such an array cannot start at an odd byte offset, but a scale in a block can.
 */
function f16Values(): Float32Array {
  if (!table) {
    table = new Float32Array(1 << 16);
    f16ToF32(
      Uint16Array.from(table, (_, code) => code),
      table,
    );
  }
  return table;
}

/** Reads the f16 in the two bytes from `at` on. Returns it as a number. */
export function readF16(bytes: Uint8Array, at: number): number {
  return f16Values()[bytes[at] | (bytes[at + 1] << 8)];
}
