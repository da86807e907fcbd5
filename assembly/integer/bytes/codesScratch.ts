// Scratch memory of products in integer codes.
import { int16Scratch } from "../int16Product";
import { SPREAD_SCRATCH } from "../int16Spread";
import { packScratch } from "./int8Weight";
import { linearScratch } from "./linearInt8";

/**
 * Returns the size in bytes of the scratch memory that is enough for any product with integer codes, and for packing a
 * weight for it. It is the same for all sizes of matrices.
 */
export function codesScratch(): i32 {
  return max(max(int16Scratch(), SPREAD_SCRATCH), max(packScratch(), linearScratch()));
}
