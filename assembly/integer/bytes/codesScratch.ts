// Scratch memory of products in integer codes.
import { int16Scratch } from "../int16Product";
import { SPREAD_SCRATCH } from "../int16Spread";
import { packScratch } from "./int8Weight";
import { linearScratch } from "./linearInt8";

/** Bytes of scratch for any product in codes, and for packing a weight for it; constant. */
export function codesScratch(): i32 {
  return max(max(int16Scratch(), SPREAD_SCRATCH), max(packScratch(), linearScratch()));
}
