import type { TensorSpec } from "../backends/backend.ts";
import { canQuantizeAs, hasIntegerCodes } from "../layout/dtype.ts";

/** Numbers that share a scale in rows of bytes. */
const block = 32;

/** The most numbers in a row of a weight in nf4 or fp4 that bytes are multiplied with. */
const mostColumns = 32768;

/**
 * Returns true for weights [out, in] that `linearInt8` multiplies: those of integer codes, and
 * those in nf4 and fp4 whose rows are whole blocks of 32.
 */
export function supportsInt8Activations({ dtype, shape, packing }: TensorSpec): boolean {
  if (hasIntegerCodes(dtype)) return true;
  const columns = shape[shape.length - 1];
  const isWhole = columns % block === 0 && columns <= mostColumns;
  return canQuantizeAs(dtype) && isWhole && packing !== undefined && packing.blockSize >= block;
}
