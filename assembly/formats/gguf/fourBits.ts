// GGUF's q4_0, an f16 scale and 32 nibbles, and q4_1, an f16 scale, an f16 minimum and 32 nibbles.
import { Q4_0_BYTES, Q4_1_BYTES } from "../dtypes.gen";
import { HALF_CONSTANTS } from "../half";
import { packNibbles } from "../../integer/tiles/panels";
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

export function unpackQ4_1(base: usize, start: i32, count: i32, dst: usize): void {
  unpackNibbles(true, Q4_1_BYTES, base, start, count, dst);
}

export function q4_1Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize): void {
  nibbleRows(true, Q4_1_BYTES, x, first, c, n, k, alpha, add, room);
}

export function q4_1Int8Rows(x: usize, first: usize, c: usize, n: i32, k: i32): void {
  nibbleInt8Rows(true, Q4_1_BYTES, x, first, c, n, k);
}

export function packQ4_1(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  packNibbles(true, Q4_1_BYTES, nibbleMask(), HALF_CONSTANTS, w, wrs, columns, blocks, dst);
}
