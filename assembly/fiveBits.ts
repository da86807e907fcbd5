// GGUF's q5_0 and q5_1: an f16 scale, with q5_1 an f16 minimum, then the fifth bits of 32 codes as
// a word, and 32 nibbles, low ones first.
import { BLOCK, ggufBlock, halfAt, widenSigned, widenUnsigned } from "./blocks";
import { addCodes, sumGroups } from "./codes";
import { Q5_0_BYTES, Q5_1_BYTES } from "./dtypes.gen";
import { madd } from "./madd";
import { sumOf } from "./lanes";
import { rowInTurn } from "./rowOrder";
import { put } from "./rowsPut";

// @ts-ignore: decorator
@inline
function bytesOf(minimum: bool): usize {
  return minimum ? Q5_1_BYTES : Q5_0_BYTES;
}

/** 16 codes: nibbles, and their fifth bits in the low half of `bits`; less 16 without a minimum. */
// @ts-ignore: decorator
@inline
function codesOf(minimum: bool, nibbles: v128, bits: u32): v128 {
  const bytes = i8x16.swizzle(i32x4.splat(<i32>bits), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const own = v128.and(bytes, i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128));
  const clear = i8x16.eq(own, i8x16.splat(0));
  if (minimum) return v128.or(nibbles, v128.andnot(i8x16.splat(16), clear));
  // A code less 16 is a nibble where the bit is set.
  return i8x16.sub(nibbles, v128.and(clear, i8x16.splat(16)));
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

/** c[n] (+)= alpha * n rows of k elements, times x; `room` is for the sums of groups of x. */
// @ts-ignore: decorator
@inline
export function q5Rows(
  minimum: bool, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize,
): void {
  if (minimum) sumGroups(x, k, room);
  const nibble = i8x16.splat(15);
  const first = ggufBlock(w, start, bytesOf(minimum));
  const rowBytes = <usize>(k >> 5) * bytesOf(minimum);
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let at = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima: f32 = 0;
    let xi = x;
    let si = room;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const fifths = at + (minimum ? 4 : 2);
      const bits = load<u32>(fifths);
      const bytes = v128.load(fifths, 4);
      const low = addCodes(codesOf(minimum, v128.and(bytes, nibble), bits), xi, f32x4.splat(0));
      const codes = codesOf(minimum, v128.and(i16x8.shr_u(bytes, 4), nibble), bits >> 16);
      const high = addCodes(codes, xi + 64, f32x4.splat(0));
      total = madd(f32x4.add(low, high), f32x4.splat(halfAt(at)), total);
      if (minimum) minima += halfAt(at + 2) * load<f32>(si);
      at += bytesOf(minimum);
      xi += 128;
      si += 4;
    }
    put(c + (row << 2), sumOf(total) + minima, alpha, add);
  }
}
