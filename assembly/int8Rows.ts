// One row of codes times the rows of a q4_1 or q8_0 weight, read as it lies.
import { Q4_1_BYTES, Q8_0_BYTES } from "./dtypes.gen";
import { madd } from "./gemmTile";
import { HALF_CONSTANTS, widenHalves } from "./half";
import { dotBytes } from "./int8";
import { sumOf } from "./lanes";
import { rowInTurn } from "./rowOrder";
import { nibbleMask } from "./unpackFourBit";

/** The integer product of a block of 32: 16 bytes of nibbles at w and codes at x. */
// @ts-ignore: decorator
@inline
function q4Product(x: usize, w: usize, nibble: v128): v128 {
  const bytes = v128.load(w);
  const low = dotBytes(v128.load(x), v128.and(bytes, nibble), i32x4.splat(0));
  return dotBytes(v128.load(x, 16), v128.and(i16x8.shr_u(bytes, 4), nibble), low);
}

/** The same for bytes; the codes' signs lie at `signs`. */
// @ts-ignore: decorator
@inline
function q8Product(x: usize, signs: usize, w: usize): v128 {
  const a = v128.load(w);
  const b = v128.load(w, 16);
  const low = dotBytes(b, v128.load(x, 16), dotBytes(a, v128.load(x), i32x4.splat(0)));
  const sign = dotBytes(b, v128.load(signs, 16), dotBytes(a, v128.load(signs), i32x4.splat(0)));
  return i32x4.sub(low, i32x4.shl(sign, 7));
}

/** c[n] = the n rows of q4_1 blocks from `first` on, of k elements each, times the row x of `quantizeInt8` with one plane. */
export function q4Int8Rows(x: usize, first: usize, c: usize, n: i32, k: i32): void {
  const nibble = nibbleMask();
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>(k >> 5) * Q4_1_BYTES;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima = total;
    let xi = x;
    let pair = x + <usize>k;
    let blocks = k >> 5;
    for (; blocks > 1; blocks -= 2) {
      const halves = i32x4.extend_low_i16x8_s(v128.load32_lane(w + Q4_1_BYTES, v128.load32_zero(w), 1));
      const scales = f32x4.mul(widenHalves(halves, kept, power, limit, exponent), v128.load(pair));
      minima = f32x4.add(minima, scales);
      const p = f32x4.convert_i32x4_s(q4Product(xi, w + 4, nibble));
      const q = f32x4.convert_i32x4_s(q4Product(xi + 32, w + Q4_1_BYTES + 4, nibble));
      total = madd(p, v128.shuffle<f32>(scales, scales, 0, 0, 0, 0), total);
      total = madd(q, v128.shuffle<f32>(scales, scales, 2, 2, 2, 2), total);
      w += 2 * Q4_1_BYTES;
      xi += 64;
      pair += 16;
    }
    if (blocks) {
      const halves = i32x4.extend_low_i16x8_s(v128.load32_zero(w));
      const scales = f32x4.mul(widenHalves(halves, kept, power, limit, exponent), v128.load64_zero(pair));
      minima = f32x4.add(minima, scales);
      const p = f32x4.convert_i32x4_s(q4Product(xi, w + 4, nibble));
      total = madd(p, v128.shuffle<f32>(scales, scales, 0, 0, 0, 0), total);
    }
    store<f32>(c + (row << 2), sumOf(total) + f32x4.extract_lane(minima, 1) + f32x4.extract_lane(minima, 3));
  }
}

/** The same for q8_0 blocks; x has two planes. */
export function q8Int8Rows(x: usize, first: usize, c: usize, n: i32, k: i32): void {
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  // Between the scales lie zeros, not codes: read as halves these might be subnormal numbers, which take a hundred times as long.
  const zero = i32x4.splat(0);
  const rowBytes = <usize>(k >> 5) * Q8_0_BYTES;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let total = f32x4.splat(0);
    let xi = x;
    let pair = x + <usize>(2 * k);
    let blocks = k >> 5;
    for (; blocks > 1; blocks -= 2) {
      const halves = i32x4.extend_low_i16x8_s(v128.load16_lane(w + Q8_0_BYTES, v128.load16_lane(w, zero, 0), 2));
      const scales = f32x4.mul(widenHalves(halves, kept, power, limit, exponent), v128.load(pair));
      const p = f32x4.convert_i32x4_s(q8Product(xi, xi + <usize>k, w + 2));
      const q = f32x4.convert_i32x4_s(q8Product(xi + 32, xi + <usize>k + 32, w + Q8_0_BYTES + 2));
      total = madd(p, v128.shuffle<f32>(scales, scales, 0, 0, 0, 0), total);
      total = madd(q, v128.shuffle<f32>(scales, scales, 2, 2, 2, 2), total);
      w += 2 * Q8_0_BYTES;
      xi += 64;
      pair += 16;
    }
    if (blocks) {
      const halves = i32x4.extend_low_i16x8_s(v128.load16_lane(w, zero, 0));
      const scales = f32x4.mul(widenHalves(halves, kept, power, limit, exponent), v128.load64_zero(pair));
      const p = f32x4.convert_i32x4_s(q8Product(xi, xi + <usize>k, w + 2));
      total = madd(p, v128.shuffle<f32>(scales, scales, 0, 0, 0, 0), total);
    }
    store<f32>(c + (row << 2), sumOf(total));
  }
}
