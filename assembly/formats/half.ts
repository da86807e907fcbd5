// f16 and bf16 codes as f32.
import { widenHalf, widenHalves } from "../simd/widenHalf";
import { madd, sumOf, put } from "../simd/lanes";
import { rowInTurn } from "../simd/rowOrder";

/** Converts `count` bf16 values to f32. */
export function unpackBf16(src: usize, count: i32, dst: usize): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const v = v128.load(src + (<usize>i << 1));
    const p = dst + (<usize>i << 2);
    v128.store(p, i32x4.shl(i32x4.extend_low_i16x8_u(v), 16));
    v128.store(p, i32x4.shl(i32x4.extend_high_i16x8_u(v), 16), 16);
  }
  for (; i < count; i++) store<u32>(dst + (<usize>i << 2), <u32>load<u16>(src + (<usize>i << 1)) << 16);
}

/**
 * Arguments of `widenHalves`: a mask for sign and magnitude after a shift by 13, 2^112, 2^16, and an exponent of all
 * ones. They are loaded before a loop, since V8 would build constants again at each use.
 */
export const HALF_CONSTANTS: usize = memory.data<u32>([0x8fffe000, 0x77800000, 0x47800000, 0x7f800000]);

/** Converts `count` f16 values to f32. */
export function unpackF16(src: usize, count: i32, dst: usize): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  for (; count >= 8; count -= 8) {
    const v = v128.load(src);
    v128.store(dst, widenHalves(i32x4.extend_low_i16x8_s(v), mask, power, limit, exponent));
    v128.store(dst, widenHalves(i32x4.extend_high_i16x8_s(v), mask, power, limit, exponent), 16);
    src += 16;
    dst += 32;
  }
  for (let i: usize = 0; i < <usize>count; i++) store<f32>(dst + (i << 2), widenHalf(<u32>load<u16>(src + (i << 1))));
}

// One row of X times the rows of a bf16 or f16 weight, which is read in place.

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of a bf16 weight, from the address `first` on. A row
 * has k elements, a multiple of 8.
 */
export function bf16Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const rowBytes = <usize>k << 1;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let xi = x;
    for (const end = x + (<usize>k << 2); xi < end; xi += 32) {
      const v = v128.load(w);
      s0 = madd(i32x4.shl(i32x4.extend_low_i16x8_u(v), 16), v128.load(xi), s0);
      s1 = madd(i32x4.shl(i32x4.extend_high_i16x8_u(v), 16), v128.load(xi, 16), s1);
      w += 16;
    }
    put(c + (row << 2), sumOf(f32x4.add(s0, s1)), alpha, add);
  }
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of an f16 weight, from the address `first` on. A row
 * has k elements, a multiple of 8.
 */
export function f16Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>k << 1;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let xi = x;
    for (const end = x + (<usize>k << 2); xi < end; xi += 32) {
      const v = v128.load(w);
      s0 = madd(widenHalves(i32x4.extend_low_i16x8_s(v), mask, power, limit, exponent), v128.load(xi), s0);
      s1 = madd(widenHalves(i32x4.extend_high_i16x8_s(v), mask, power, limit, exponent), v128.load(xi, 16), s1);
      w += 16;
    }
    put(c + (row << 2), sumOf(f32x4.add(s0, s1)), alpha, add);
  }
}
