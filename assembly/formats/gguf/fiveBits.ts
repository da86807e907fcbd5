// GGUF's q5_0 and q5_1: an f16 scale, for q5_1 an f16 minimum, then a word with the fifth bits of 32 codes, and 32
// nibbles, the low ones first.
import { BLOCK, ggufBlock, halfAt, widenSigned, widenUnsigned, addCodes, sumGroups } from "./blocks";
import { Q5_0_BYTES, Q5_1_BYTES } from "../dtypes.gen";
import { widenHalves } from "../../simd/widenHalf";
import { madd, sumOf, put } from "../../simd/lanes";
import { rowInTurn } from "../../simd/rowOrder";

// @ts-ignore: decorator
@inline
export function bytesOf(minimum: bool): usize {
  return minimum ? Q5_1_BYTES : Q5_0_BYTES;
}

/**
 * Returns a mask with all bits set in each byte whose code has a fifth bit of 0. For each code, `places` gives the
 * index of the byte in `bits` that holds the fifth bit, and `bit` selects the bit in that byte.
 */
// @ts-ignore: decorator
@inline
export function clearBits(bits: v128, places: v128, bit: v128): v128 {
  return i8x16.eq(v128.and(i8x16.swizzle(bits, places), bit), i8x16.splat(0));
}

/**
 * Returns 16 5-bit codes, made of nibbles and fifth bits. `clear` marks the codes whose fifth bit is 0. For q5_0, the
 * format without a minimum, 16 is subtracted from the codes.
 */
// @ts-ignore: decorator
@inline
export function withFifth(minimum: bool, nibbles: v128, clear: v128, sixteen: v128): v128 {
  if (minimum) return v128.or(nibbles, v128.andnot(sixteen, clear));
  // A code minus 16 equals its nibble if the fifth bit is set.
  return i8x16.sub(nibbles, v128.and(clear, sixteen));
}

/** Returns 16 5-bit codes, made of 16 nibbles and their fifth bits, which are the low 16 bits of `bits`. */
// @ts-ignore: decorator
@inline
export function codesOf(minimum: bool, nibbles: v128, bits: u32): v128 {
  const places = i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const bit = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return withFifth(minimum, nibbles, clearBits(i32x4.splat(<i32>bits), places, bit), i8x16.splat(16));
}

// @ts-ignore: decorator
@inline
export function unpackQ5(minimum: bool, base: usize, start: i32, count: i32, dst: usize): void {
  const nibble = i8x16.splat(15);
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = ggufBlock(base, i, bytesOf(minimum));
    const d = halfAt(block);
    const m: f32 = minimum ? halfAt(block + 2) : 0;
    const fifths = block + (minimum ? 4 : 2);
    const bits = load<u32>(fifths);
    const within = i & (BLOCK - 1);
    if (within == 0 && end - i >= BLOCK) {
      const bytes = v128.load(fifths, 4);
      const low = codesOf(minimum, v128.and(bytes, nibble), bits);
      const high = codesOf(minimum, v128.and(i16x8.shr_u(bytes, 4), nibble), bits >> 16);
      if (minimum) {
        widenUnsigned(low, f32x4.splat(d), f32x4.splat(m), dst);
        widenUnsigned(high, f32x4.splat(d), f32x4.splat(m), dst + 64);
      } else {
        widenSigned(low, f32x4.splat(d), dst);
        widenSigned(high, f32x4.splat(d), dst + 64);
      }
      dst += 128;
      i += BLOCK;
    } else {
      const byte = <i32>load<u8>(fifths + <usize>(within & 15), 4);
      const code = (within < 16 ? byte & 15 : byte >> 4) | <i32>((bits >> within) & 1) << 4;
      store<f32>(dst, minimum ? d * <f32>code + m : d * <f32>(code - 16));
      dst += 4;
      i++;
    }
  }
}

/** Number of 32-bit words of scratch that `storeConstants` fills. */
export const CONSTANTS: i32 = 20;

/**
 * Stores constants at `at`. They are loaded before a loop over blocks, since V8 would build constants again at each
 * use. First comes, for each of 16 codes, the index of the byte with its fifth bit. Then comes, for each code, the mask
 * of that bit in its byte. The values of `HALF_CONSTANTS`, a nibble mask, and 16 in every byte follow.
 */
export function storeConstants(at: usize): void {
  v128.store(at, i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  v128.store(at, i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128), 16);
  v128.store(at, i32x4(0x8fffe000, 0x77800000, 0x47800000, 0x7f800000), 32);
  store<u32>(at, 0x0f0f0f0f, 48);
  store<u32>(at, 0x10101010, 52);
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of a q5_0 or q5_1 weight, of k elements each. `room`
 * is scratch for constants and the sums of groups of x.
 */
// @ts-ignore: decorator
@inline
export function q5Rows(
  minimum: bool, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize,
): void {
  if (minimum) sumGroups(x, k, room);
  const constants = room + (<usize>(k >> 5) << 2);
  storeConstants(constants);
  const places = v128.load(constants);
  const bit = v128.load(constants, 16);
  const mask = v128.load32_splat(constants, 32);
  const power = v128.load32_splat(constants, 36);
  const limit = v128.load32_splat(constants, 40);
  const exponent = v128.load32_splat(constants, 44);
  const nibble = v128.load32_splat(constants, 48);
  const sixteen = v128.load32_splat(constants, 52);
  const first = ggufBlock(w, start, bytesOf(minimum));
  const rowBytes = <usize>(k >> 5) * bytesOf(minimum);
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let at = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima = total;
    let xi = x;
    let si = room;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const fifths = at + (minimum ? 4 : 2);
      const bytes = v128.load(fifths, 4);
      const lowClear = clearBits(v128.load16_splat(fifths), places, bit);
      const highClear = clearBits(v128.load16_splat(fifths, 2), places, bit);
      const low = withFifth(minimum, v128.and(bytes, nibble), lowClear, sixteen);
      const high = withFifth(minimum, v128.and(i16x8.shr_u(bytes, 4), nibble), highClear, sixteen);
      const sums = f32x4.add(addCodes(low, xi, f32x4.splat(0)), addCodes(high, xi + 64, f32x4.splat(0)));
      // The scale, and for q5_1 the minimum.
      const pair = widenHalves(i32x4.extend_low_i16x8_s(v128.load32_zero(at)), mask, power, limit, exponent);
      total = madd(sums, v128.shuffle<f32>(pair, pair, 0, 0, 0, 0), total);
      if (minimum) minima = madd(pair, v128.load32_splat(si), minima);
      at += bytesOf(minimum);
      xi += 128;
      si += 4;
    }
    put(c + (row << 2), sumOf(total) + (minimum ? f32x4.extract_lane(minima, 1) : 0), alpha, add);
  }
}
