// GGUF's q4_0: an f16 scale, then 32 nibbles.
import { Q4_0_BYTES } from "../dtypes.gen";
import { HALF_CONSTANTS } from "../half";
import { packNibbles } from "../../integer/tiles/nibblePanel";
import { nibbleInt8Rows, nibbleRows, unpackNibbles } from "./nibbles";
import { nibbleMask } from "../unpackFourBit";

export function unpackQ4_0(base: usize, start: i32, count: i32, dst: usize): void {
  unpackNibbles(false, Q4_0_BYTES, base, start, count, dst);
}

export function q4_0Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize): void {
  nibbleRows(false, Q4_0_BYTES, x, first, c, n, k, alpha, add, room);
}

export function q4_0Int8Rows(x: usize, first: usize, c: usize, n: i32, k: i32): void {
  nibbleInt8Rows(false, Q4_0_BYTES, x, first, c, n, k);
}

export function packQ4_0(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  packNibbles(false, Q4_0_BYTES, nibbleMask(), HALF_CONSTANTS, w, wrs, columns, blocks, dst);
}
