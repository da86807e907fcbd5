// The entry of a module with separate memory: the quantisers of K-blocks, which conversions to GGUF load when they
// begin.
import { Q4_K, Q4_K_BYTES, Q5_K, Q5_K_BYTES, Q6_K_BYTES } from "./formats/dtypes.gen";
import { packGroups } from "./formats/kPack/kPackGroups";
import { packSigned } from "./formats/kPack/kPackSigned";

/**
 * Packs `count` blocks of 256 f32 elements into the K-quant `format`. `room` is 2 KiB of scratch. Returns 1, or 0 if an
 * element or a scale is not finite.
 */
export function packBlocks(format: i32, x: usize, blocks: usize, count: i32, room: usize): i32 {
  for (; count > 0; count--) {
    if (format == Q4_K || format == Q5_K) {
      const five = format == Q5_K;
      if (!packGroups(five, x, blocks, room)) return 0;
      blocks += five ? Q5_K_BYTES : Q4_K_BYTES;
    } else {
      if (!packSigned(x, blocks, room)) return 0;
      blocks += Q6_K_BYTES;
    }
    x += 1024;
  }
  return 1;
}
