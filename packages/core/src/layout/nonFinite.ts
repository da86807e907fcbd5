/**
 * For each float dtype, the mask of the exponent bits and the bytes per element. Only NaN and infinities have all
 * exponent bits set.
 */
const formats: Readonly<Record<string, { exponent: number; bytes: 2 | 4 }>> = {
  f32: { exponent: 0x7f800000, bytes: 4 },
  f16: { exponent: 0x7c00, bytes: 2 },
  bf16: { exponent: 0x7f80, bytes: 2 },
};

/** Returns the index of the first NaN or infinity among elements given as bytes, or -1 if all are finite. */
export function firstNonFinite({ buffer, byteOffset, byteLength }: Uint8Array, dtype: string): number {
  const format = formats[dtype.toLowerCase()];
  if (!format) return -1;
  const { exponent, bytes } = format;
  const count = byteLength / bytes;
  const words = bytes === 4 ? new Int32Array(buffer, byteOffset, count) : new Uint16Array(buffer, byteOffset, count);
  for (let i = 0; i < words.length; i++) if ((words[i] & exponent) === exponent) return i;
  return -1;
}

/**
 * Throws an error that names the tensor if its elements contain NaN or an infinity, so that they are not saved. `dtype`
 * is a tensor dtype or a safetensors name; only f32, f16 and bf16 are checked.
 */
export function checkFinite(name: string, bytes: Uint8Array, dtype: string): void {
  const at = firstNonFinite(bytes, dtype);
  if (at < 0) return;
  throw new Error(
    `saving ${name}: its element ${at} is NaN or infinite, and nothing is written; go back to weights that are finite`,
  );
}
