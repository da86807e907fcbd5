// Rows of weights as f32, whatever they are stored as: what the packing of a matrix product reads through.
import { BF16, F16, F32, FP4, NF4, Q4_1 } from "./dtypes.gen";
import { unpackBf16, unpackF16 } from "./half";
import { unpackFourBit } from "./unpackFourBit";
import { unpackQ4, unpackQ8 } from "./unpackGguf";

/** Writes `count` elements of the weight at `base`, which lies in the dtype numbered `format`, from element `start` on, to `dst` as f32. */
export function unpackRow(format: i32, base: usize, start: i32, count: i32, dst: usize): void {
  const at = <usize>start;
  if (format == F32) memory.copy(dst, base + (at << 2), <usize>count << 2);
  else if (format == BF16) unpackBf16(base + (at << 1), count, dst);
  else if (format == F16) unpackF16(base + (at << 1), count, dst);
  else if (format == NF4 || format == FP4) unpackFourBit(base, format == FP4, start, count, dst);
  else if (format == Q4_1) unpackQ4(base, start, count, dst);
  else unpackQ8(base, start, count, dst);
}
