import { formatOf, isPacked } from "@lowrank/core/backend";
import type { DType } from "@lowrank/core/functions";

/** Returns true for dtypes of weights whose codes are integers of 4 bits. */
export function hasNibbles(dtype: DType): boolean {
  return isPacked(dtype) && formatOf(dtype).integerBits === 4;
}
