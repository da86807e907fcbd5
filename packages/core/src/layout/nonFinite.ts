/**
 * The exponent mask of each float dtype and the bytes of an element. Only NaN and infinities have all exponent bits
 * set.
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
  if (bytes === 2 && byteOffset % 4 === 0 && count % 2 === 0) {
    if (areFinitePairs(new Int32Array(buffer, byteOffset, count / 2), exponent)) return -1;
  }
  const words = bytes === 4 ? new Int32Array(buffer, byteOffset, count) : new Uint16Array(buffer, byteOffset, count);
  for (let i = 0; i < words.length; i++) if ((words[i] & exponent) === exponent) return i;
  return -1;
}

/** True if all 16-bit floats, two per word, are finite: none has all exponent bits set. */
function areFinitePairs(words: Int32Array, exponent: number): boolean {
  // Adding this carries into the sign bit only for a magnitude whose exponent bits are all set.
  const step = 0x8000 - exponent;
  const steps = (step << 16) | step;
  let any = 0;
  for (let i = 0; i < words.length; i++) any |= (words[i] & 0x7fff7fff) + steps;
  return (any & 0x80008000) === 0;
}

/**
 * Throws an error that names the tensor if its elements to be saved contain NaN or an infinity. The dtype may be a
 * tensor dtype or a safetensors name. Only f32, f16 and bf16 are checked.
 */
export function checkFinite(name: string, bytes: Uint8Array, dtype: string): void {
  const at = firstNonFinite(bytes, dtype);
  if (at < 0) return;
  throw new Error(
    `saving ${name}: its element ${at} is NaN or infinite, and nothing is written; go back to weights that are finite`,
  );
}
