import { SafetensorsError } from "./safetensorsError.ts";

/**
 * Converts little-endian I64 values to i32. Throws `SafetensorsError`, in which `what` names the tensor, if a value
 * does not fit.
 */
export function narrowI64(bytes: Uint8Array, what: string): Uint8Array {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const out = new Int32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    const low = words[2 * i];
    if (words[2 * i + 1] !== low >> 31) {
      const value = (BigInt(words[2 * i + 1]) << 32n) | BigInt(low >>> 0);
      throw new SafetensorsError(
        `${what} is I64 and holds ${value} at index ${i}, outside of i32 (-2^31 to 2^31 - 1); store smaller values`,
      );
    }
    out[i] = low;
  }
  return new Uint8Array(out.buffer);
}
