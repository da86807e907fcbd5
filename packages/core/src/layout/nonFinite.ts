/**
 * The bits of the exponent, all of which are set in NaN and the infinities alone, and
 * the bytes of an element.
 */
const formats: Readonly<Record<string, { exponent: number; bytes: 2 | 4 }>> = {
  f32: { exponent: 0x7f800000, bytes: 4 },
  f16: { exponent: 0x7c00, bytes: 2 },
  bf16: { exponent: 0x7f80, bytes: 2 },
};

/**
 * Returns the index of the first NaN or infinity among elements given as bytes,
 * or -1 where there is none.
 */
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

/** True for numbers of 16 bits, two to a word, none of which has all bits of the exponent set. */
function areFinitePairs(words: Int32Array, exponent: number): boolean {
  // Added to such a magnitude alone, one step of the exponent carries into the sign.
  const step = 0x8000 - exponent;
  const steps = (step << 16) | step;
  let any = 0;
  for (let i = 0; i < words.length; i++) any |= (words[i] & 0x7fff7fff) + steps;
  return (any & 0x80008000) === 0;
}

/**
 * Throws, naming the tensor, where elements that are to be saved hold NaN or an infinity. The dtype
 * is a tensor's or one of safetensors; those other than f32, f16 and bf16 are not looked at.
 */
export function checkFinite(name: string, bytes: Uint8Array, dtype: string): void {
  const at = firstNonFinite(bytes, dtype);
  if (at < 0) return;
  throw new Error(
    `saving ${name}: its element ${at} is NaN or infinite, and nothing is written; go back to weights that are finite`,
  );
}
