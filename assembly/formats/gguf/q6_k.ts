// GGUF's q6_k: blocks of 256 elements in 16 groups of 16, d s (q - 32). Each half of a block has 64 bytes of low
// nibbles, then high ones. Then follow, for each half, 32 bytes of four pairs of upper bits, the signed bytes s, and
// the f16 d.
import { halfAt, widenSigned, addCodes } from "./blocks";
import { Q6_K_BYTES } from "../dtypes.gen";
import { madd, sumOf, put } from "../../simd/lanes";
import { rowInTurn } from "../../simd/rowOrder";

const GROUP: i32 = 16;

/** Returns the 16 codes (0 to 63) of group `group`. */
// @ts-ignore: decorator
@inline
export function sixBits(block: usize, group: i32): v128 {
  const half = <usize>(group >> 3);
  const quarter = (group >> 1) & 3;
  const part = <usize>(group & 1) << 4;
  const bytes = v128.load(block + (half << 6) + (<usize>(quarter & 1) << 5) + part);
  const low = v128.and(i16x8.shr_u(bytes, 4 * (quarter >> 1)), i8x16.splat(15));
  const upper = v128.load(block + (half << 5) + part, 128);
  const high = v128.and(i16x8.shr_u(upper, 2 * quarter), i8x16.splat(3));
  return v128.or(low, i16x8.shl(high, 4));
}

/** Returns 32 less than each of the 16 codes of group `group`. */
// @ts-ignore: decorator
@inline
function codesOf(block: usize, group: i32): v128 {
  return i8x16.sub(sixBits(block, group), i8x16.splat(32));
}

export function unpackQ6_K(base: usize, start: i32, count: i32, dst: usize): void {
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = base + <usize>(i >> 8) * Q6_K_BYTES;
    const group = (i >> 4) & 15;
    const scale = halfAt(block + 208) * <f32>load<i8>(block + <usize>group, 192);
    const within = i & (GROUP - 1);
    if (within == 0 && end - i >= GROUP) {
      widenSigned(codesOf(block, group), f32x4.splat(scale), dst);
      dst += 64;
      i += GROUP;
    } else {
      const half = <usize>(group >> 3);
      const quarter = (group >> 1) & 3;
      const part = <usize>(((group & 1) << 4) + within);
      const low = (<i32>load<u8>(block + (half << 6) + (<usize>(quarter & 1) << 5) + part) >> (4 * (quarter >> 1))) & 15;
      const high = (<i32>load<u8>(block + (half << 5) + part, 128) >> (2 * quarter)) & 3;
      store<f32>(dst, scale * <f32>((low | (high << 4)) - 32));
      dst += 4;
      i++;
    }
  }
}

/**
 * Returns `total` plus two dot products, each of a group of 16 codes with 16 floats of x, and each multiplied by its
 * group's scale.
 */
// @ts-ignore: decorator
@inline
function withGroups(block: usize, group: i32, x: usize, scale: v128, other: v128, total: v128): v128 {
  const first = madd(addCodes(codesOf(block, group), x, f32x4.splat(0)), scale, total);
  return madd(addCodes(codesOf(block, group + 1), x + 64, f32x4.splat(0)), other, first);
}

/**
 * Returns `total` plus the dot product of x with the groups `group` to `group + 3` of a block. The sum of each group is
 * multiplied by the group's scale: its integer in a lane of `bytes`, times the factor `d` of the block.
 */
// @ts-ignore: decorator
@inline
function withFour(block: usize, group: i32, x: usize, bytes: v128, d: v128, total: v128): v128 {
  const scales = f32x4.mul(f32x4.convert_i32x4_s(bytes), d);
  const at = x + (<usize>group << 6);
  const s0 = v128.shuffle<f32>(scales, scales, 0, 0, 0, 0);
  const s1 = v128.shuffle<f32>(scales, scales, 1, 1, 1, 1);
  const s2 = v128.shuffle<f32>(scales, scales, 2, 2, 2, 2);
  const s3 = v128.shuffle<f32>(scales, scales, 3, 3, 3, 3);
  return withGroups(block, group + 2, at + 128, s2, s3, withGroups(block, group, at, s0, s1, total));
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of a q6_k weight, of k elements each, from element
 * `start` on.
 */
export function q6_kRows(x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const first = w + <usize>(start >> 8) * Q6_K_BYTES;
  const rowBytes = <usize>(k >> 8) * Q6_K_BYTES;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let at = first + row * rowBytes;
    let total = f32x4.splat(0);
    let xi = x;
    for (let blocks = k >> 8; blocks > 0; blocks--) {
      const d = f32x4.splat(halfAt(at + 208));
      const bytes = v128.load(at, 192);
      const low = i16x8.extend_low_i8x16_s(bytes);
      const high = i16x8.extend_high_i8x16_s(bytes);
      total = withFour(at, 0, xi, i32x4.extend_low_i16x8_s(low), d, total);
      total = withFour(at, 4, xi, i32x4.extend_high_i16x8_s(low), d, total);
      total = withFour(at, 8, xi, i32x4.extend_low_i16x8_s(high), d, total);
      total = withFour(at, 12, xi, i32x4.extend_high_i16x8_s(high), d, total);
      at += Q6_K_BYTES;
      xi += 1024;
    }
    put(c + (row << 2), sumOf(total), alpha, add);
  }
}
