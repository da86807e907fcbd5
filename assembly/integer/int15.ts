// Rows of floats as codes of 15 bits with a scale for each 32, in two planes of bytes or in 16-bit words. With these an
// integer product with low-bit codes is nearly as exact as f32. A part of onDemand.ts.
import { BYTES, BYTES_IN_WORDS, encodeRows, largestCode, WORDS } from "./encodeRows";
import { INT8_ROWS, int8RowBytes, rounded, storeLanes, topOfBlock, TOO_LARGE } from "./rowCodes";

/** Rounds eight floats times `factor` to codes of up to 16 bits. */
// @ts-ignore: decorator
@inline
function eightCodes(x: usize, factor: v128, rounder: v128): v128 {
  return i16x8.narrow_i32x4_s(rounded(x, factor, rounder), rounded(x + 16, factor, rounder));
}

/** Splits 16 codes into bytes: writes the lower seven bits to `dst`, and the upper eight bits `plane` bytes later. */
// @ts-ignore: decorator
@inline
function storePlanes(dst: usize, step: usize, a: v128, b: v128, plane: usize): void {
  const seven = i16x8.splat(127);
  storeLanes(dst, step, i8x16.narrow_i16x8_s(v128.and(a, seven), v128.and(b, seven)));
  storeLanes(dst + plane, step, i8x16.narrow_i16x8_s(i16x8.shr_s(a, 7), i16x8.shr_s(b, 7)));
}

/** Returns four partial sums of 32 codes, which are given in four vectors. */
// @ts-ignore: decorator
@inline
function codeSums(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(
    i32x4.add(i32x4.extadd_pairwise_i16x8_s(a), i32x4.extadd_pairwise_i16x8_s(b)),
    i32x4.add(i32x4.extadd_pairwise_i16x8_s(c), i32x4.extadd_pairwise_i16x8_s(d)),
  );
}

/**
 * Quantises x [rows, k], where k is a multiple of 32, to 15-bit codes (128 times a signed byte, plus 7 bits), in the
 * tiles that `quantizeInt8` uses for several rows. The codes are stored in two planes of bytes or, if `inWords` is 1,
 * in pairs of 16-bit words interleaved by row. Returns 1 if a value is too large for codes, otherwise 0.
 */
export function quantizeInt15(x: usize, out: usize, rows: i32, k: i32, inWords: i32): i32 {
  return inWords ? encodeRows(WORDS, x, out, rows, k) : inPlanes(x, out, rows, k);
}

/**
 * Quantises rows to the same codes as `quantizeInt8`, but stores them as 16-bit words, in the layout of
 * `quantizeInt15`.
 */
export function quantizeBytesInWords(x: usize, out: usize, rows: i32, k: i32): i32 {
  return encodeRows(BYTES_IN_WORDS, x, out, rows, k);
}

/** Faster form of `quantizeInt8` for several rows in one plane of bytes. The result is the same. */
export function quantizeBytes(x: usize, out: usize, rows: i32, k: i32): i32 {
  return encodeRows(BYTES, x, out, rows, k);
}

function inPlanes(x: usize, out: usize, rows: i32, k: i32): i32 {
  const tile = <usize>INT8_ROWS * int8RowBytes(k, 2);
  const plane = <usize>(INT8_ROWS * k);
  const step: usize = 4 * INT8_ROWS;
  const magnitude = i32x4.splat(0x7fffffff);
  // 1.5 * 2^23, which `rounded` adds.
  const rounder = i32x4.splat(0x4b400000);
  let largest = 0;
  if (rows % INT8_ROWS) memory.fill(out + <usize>(rows / INT8_ROWS) * tile, 0, tile);
  for (let row = 0; row < rows; row++) {
    const within = <usize>(row % INT8_ROWS);
    const codes = out + <usize>(row / INT8_ROWS) * tile;
    let code = codes + 4 * within;
    let pair = codes + 2 * plane + 8 * within;
    for (let i = 0; i < k; i += 32) {
      const bits = topOfBlock(x, magnitude);
      largest = max(largest, bits);
      const scale = reinterpret<f32>(bits) / largestCode(WORDS);
      const inverse: f32 = 1 / scale;
      const factor = f32x4.splat(inverse < Infinity ? inverse : 0);
      const a = eightCodes(x, factor, rounder);
      const b = eightCodes(x + 32, factor, rounder);
      const c = eightCodes(x + 64, factor, rounder);
      const d = eightCodes(x + 96, factor, rounder);
      storePlanes(code, step, a, b, plane);
      storePlanes(code + 4 * step, step, c, d, plane);
      let sums = codeSums(a, b, c, d);
      sums = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
      store<f32>(pair, scale);
      store<f32>(pair, scale * <f32>(i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1)), 4);
      code += 8 * step;
      pair += 2 * step;
      x += 128;
    }
  }
  return largest >= TOO_LARGE ? 1 : 0;
}
