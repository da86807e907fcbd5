// One row of X times the rows of a bf16 or f16 weight, which is read in place.
import { madd } from "../simd/madd";
import { HALF_CONSTANTS } from "./half";
import { widenHalves } from "../simd/widenHalf";
import { sumOf } from "../simd/lanes";
import { rowInTurn } from "../simd/rowOrder";
import { put } from "../simd/rowsPut";

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
