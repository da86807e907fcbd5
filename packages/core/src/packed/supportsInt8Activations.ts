import type { TensorSpec } from "../backends/backend.ts";
import { canQuantizeAs, hasIntegerCodes } from "../layout/dtype.ts";

/** The number of elements that share a scale in rows rounded to 8 bits. */
const block = 32;

/** The maximum row length of an nf4 or fp4 weight that can be multiplied with 8-bit rows. */
const mostColumns = 32768;

/**
 * Returns true for weights [out, in] that `linearInt8` supports: all with integer codes, and nf4 and fp4 weights if
 * their rows divide into blocks of 32.
 */
export function supportsInt8Activations({ dtype, shape, packing }: TensorSpec): boolean {
  if (hasIntegerCodes(dtype)) return true;
  const columns = shape[shape.length - 1];
  const isWhole = columns % block === 0 && columns <= mostColumns;
  return canQuantizeAs(dtype) && isWhole && packing !== undefined && packing.blockSize >= block;
}
