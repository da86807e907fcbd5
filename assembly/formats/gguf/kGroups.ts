// GGUF's q4_k and q5_k: blocks of 256 elements in 8 groups of 32, d s q - dmin m. d and dmin are f16, then 12 bytes
// hold the 6-bit s and m of all groups; q5_k also has 32 bytes of fifth bits. Two groups share 32 bytes of nibbles.
import { halfAt, widenUnsigned, addCodes, sumGroups } from "./blocks";
import { Q4_K_BYTES, Q5_K_BYTES } from "../dtypes.gen";
import { madd, sumOf, put } from "../../simd/lanes";
import { rowInTurn } from "../../simd/rowOrder";

const GROUP: i32 = 32;

// @ts-ignore: decorator
@inline
export function bytesOf(five: bool): usize {
  return five ? Q5_K_BYTES : Q4_K_BYTES;
}

/**
 * Returns four 6-bit scales, one per byte: the scales of groups 4 to 7 if `upper` is true, otherwise of groups 0 to 3.
 */
// @ts-ignore: decorator
@inline
export function scaleBytes(block: usize, upper: bool): u32 {
  const own = load<u32>(block, 4);
  return upper ? (load<u32>(block, 12) & 0x0f0f0f0f) | ((own >> 2) & 0x30303030) : own & 0x3f3f3f3f;
}

/**
 * Returns four 6-bit minima, one per byte: the minima of groups 4 to 7 if `upper` is true, otherwise of groups 0 to 3.
 */
// @ts-ignore: decorator
@inline
export function minimumBytes(block: usize, upper: bool): u32 {
  const own = load<u32>(block, 8);
  return upper ? ((load<u32>(block, 12) >> 4) & 0x0f0f0f0f) | ((own >> 2) & 0x30303030) : own & 0x3f3f3f3f;
}

// @ts-ignore: decorator
@inline
function fourFloats(bytes: u32, factor: v128): v128 {
  const halves = i16x8.extend_low_i8x16_u(i32x4.splat(<i32>bytes));
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(halves)), factor);
}

/** Returns 16 codes of group `group`: the first half of the group if `part` is 0, the second half if it is 1. */
// @ts-ignore: decorator
@inline
export function codesOf(five: bool, block: usize, group: i32, part: usize): v128 {
  const bytes = v128.load(block + (five ? 48 : 16) + (<usize>(group >> 1) << 5) + (part << 4));
  const nibbles = v128.and(i16x8.shr_u(bytes, 4 * (group & 1)), i8x16.splat(15));
  if (!five) return nibbles;
  const bit = v128.and(i16x8.shr_u(v128.load(block + (part << 4), 16), group), i8x16.splat(1));
  return v128.or(nibbles, i16x8.shl(bit, 4));
}

// @ts-ignore: decorator
@inline
export function unpackGroups(five: bool, base: usize, start: i32, count: i32, dst: usize): void {
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = base + <usize>(i >> 8) * bytesOf(five);
    const group = (i >> 5) & 7;
    const shift = (group & 3) << 3;
    const scale = halfAt(block) * <f32>((scaleBytes(block, group > 3) >> shift) & 63);
    const minimum = halfAt(block + 2) * <f32>((minimumBytes(block, group > 3) >> shift) & 63);
    const within = i & (GROUP - 1);
    if (within == 0 && end - i >= GROUP) {
      widenUnsigned(codesOf(five, block, group, 0), f32x4.splat(scale), f32x4.splat(-minimum), dst);
      widenUnsigned(codesOf(five, block, group, 1), f32x4.splat(scale), f32x4.splat(-minimum), dst + 64);
      dst += 128;
      i += GROUP;
    } else {
      const byte = <i32>load<u8>(block + (five ? 48 : 16) + (<usize>(group >> 1) << 5) + <usize>within);
      let code = (byte >> (4 * (group & 1))) & 15;
      if (five) code |= ((<i32>load<u8>(block + <usize>within, 16) >> group) & 1) << 4;
      store<f32>(dst, scale * <f32>code - minimum);
      dst += 4;
      i++;
    }
  }
}

/** Returns `total` plus the dot product of a group's 32 codes and x, multiplied by the group's scale. */
// @ts-ignore: decorator
@inline
function withGroup(five: bool, block: usize, group: i32, x: usize, scale: v128, total: v128): v128 {
  const low = addCodes(codesOf(five, block, group, 0), x, f32x4.splat(0));
  const high = addCodes(codesOf(five, block, group, 1), x + 64, f32x4.splat(0));
  return madd(f32x4.add(low, high), scale, total);
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of a q4_k or q5_k weight, of k elements each. A
 * group's minimum is multiplied by the sum of 32 elements of x; `room` is scratch for these sums.
 */
// @ts-ignore: decorator
@inline
export function groupRows(
  five: bool, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize,
): void {
  sumGroups(x, k, room);
  const first = w + <usize>(start >> 8) * bytesOf(five);
  const rowBytes = <usize>(k >> 8) * bytesOf(five);
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let at = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima = total;
    let xi = x;
    let si = room;
    for (let blocks = k >> 8; blocks > 0; blocks--) {
      const d = f32x4.splat(halfAt(at));
      const dmin = f32x4.splat(halfAt(at + 2));
      const low = fourFloats(scaleBytes(at, false), d);
      const high = fourFloats(scaleBytes(at, true), d);
      minima = madd(fourFloats(minimumBytes(at, false), dmin), v128.load(si), minima);
      minima = madd(fourFloats(minimumBytes(at, true), dmin), v128.load(si, 16), minima);
      total = withGroup(five, at, 0, xi, v128.shuffle<f32>(low, low, 0, 0, 0, 0), total);
      total = withGroup(five, at, 1, xi + 128, v128.shuffle<f32>(low, low, 1, 1, 1, 1), total);
      total = withGroup(five, at, 2, xi + 256, v128.shuffle<f32>(low, low, 2, 2, 2, 2), total);
      total = withGroup(five, at, 3, xi + 384, v128.shuffle<f32>(low, low, 3, 3, 3, 3), total);
      total = withGroup(five, at, 4, xi + 512, v128.shuffle<f32>(high, high, 0, 0, 0, 0), total);
      total = withGroup(five, at, 5, xi + 640, v128.shuffle<f32>(high, high, 1, 1, 1, 1), total);
      total = withGroup(five, at, 6, xi + 768, v128.shuffle<f32>(high, high, 2, 2, 2, 2), total);
      total = withGroup(five, at, 7, xi + 896, v128.shuffle<f32>(high, high, 3, 3, 3, 3), total);
      at += bytesOf(five);
      xi += 1024;
      si += 32;
    }
    put(c + (row << 2), sumOf(f32x4.sub(total, minima)), alpha, add);
  }
}
