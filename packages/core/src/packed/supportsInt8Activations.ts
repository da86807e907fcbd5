import type { TensorSpec } from "../backends/backend.ts";
import { canQuantizeAs, hasIntegerCodes } from "../layout/dtype.ts";

/** Number of consecutive elements that share one scale when rows are rounded to 8 bits. */
const block = 32;

/** The longest row of an nf4 or fp4 weight, in elements, that can be multiplied by 8-bit activations. */
const mostColumns = 32768;

/**
 * Returns true if `linearInt8` supports a weight [out, in]. It supports all weights with integer codes. It also
 * supports nf4 and fp4 weights if their rows have at most 32768 elements, a multiple of 32, and their blocks have at
 * least 32.
 */
export function supportsInt8Activations({ dtype, shape, packing }: TensorSpec): boolean {
  if (hasIntegerCodes(dtype)) return true;
  const columns = shape[shape.length - 1];
  const isWhole = columns % block === 0 && columns <= mostColumns;
  return canQuantizeAs(dtype) && isWhole && packing !== undefined && packing.blockSize >= block;
}
