import { formatOf, isPacked } from "@lowrank/core/backend";
import type { DType } from "@lowrank/core/functions";

/** Returns the number of bits per element if a weight dtype stores integer codes, otherwise 0. */
export function codeBits(dtype: DType): number {
  return (isPacked(dtype) && formatOf(dtype).integerBits) || 0;
}
