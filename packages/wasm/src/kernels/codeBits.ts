import { formatOf, isPacked } from "@lowrank/core/backend";
import type { DType } from "@lowrank/core/functions";

/** Returns the number of bits of a weight dtype's integer codes; 0 for other dtypes. */
export function codeBits(dtype: DType): number {
  return (isPacked(dtype) && formatOf(dtype).integerBits) || 0;
}
