// Rows of weights as f32, whatever they are stored as: what the packing of a matrix product reads through.
import { unpackBf16, unpackF16 } from "./half";
import { unpackFourBit } from "./unpackFourBit";
import { unpackQ4, unpackQ8 } from "./unpackGguf";

/** Storage formats of a weight, by number. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const BF16: i32 = 2;
export const NF4: i32 = 3;
export const FP4: i32 = 4;
export const Q4_1: i32 = 5;
export const Q8_0: i32 = 6;

/** Writes `count` elements of the weight at `base`, from element `start` on, to `dst` as f32. */
export function unpackRow(format: i32, base: usize, start: i32, count: i32, dst: usize): void {
  const at = <usize>start;
  if (format == F32) memory.copy(dst, base + (at << 2), <usize>count << 2);
  else if (format == BF16) unpackBf16(base + (at << 1), count, dst);
  else if (format == F16) unpackF16(base + (at << 1), count, dst);
  else if (format == NF4 || format == FP4) unpackFourBit(base, format == FP4, start, count, dst);
  else if (format == Q4_1) unpackQ4(base, start, count, dst);
  else unpackQ8(base, start, count, dst);
}
