import { bytesPerElement, type DType, isFloating, viewAs } from "./dtype.ts";

/** The bits of the exponent, all of which are set in NaN and the infinities alone. */
const exponents = { f32: 0x7f800000, f16: 0x7c00, bf16: 0x7f80 };

/** Returns the index of the first NaN or infinity among elements given as bytes, or -1 where there is none. */
function firstNonFinite(bytes: Uint8Array, dtype: DType): number {
  if (!isFloating(dtype)) return -1;
  const mask = exponents[dtype as keyof typeof exponents];
  const { buffer, byteOffset, byteLength } = bytes;
  const words = viewAs(dtype === "f32" ? "i32" : dtype, buffer, byteOffset, byteLength / bytesPerElement(dtype));
  for (let i = 0; i < words.length; i++) if ((words[i] & mask) === mask) return i;
  return -1;
}

/** Throws, naming the tensor, where elements that are to be saved hold NaN or an infinity. */
export function checkFinite(name: string, bytes: Uint8Array, dtype: DType): void {
  const at = firstNonFinite(bytes, dtype);
  if (at < 0) return;
  throw new Error(
    `saving ${name}: its element ${at} is NaN or infinite, and nothing is written; go back to weights that are finite`,
  );
}
