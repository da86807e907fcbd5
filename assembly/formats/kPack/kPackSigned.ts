// Q6_K: 16 groups of 16 with a signed scale. packages/core/src/packed/k/ contains the same in plain loops, and
// describes the bytes.
import { bytesOf, halfCode, isFinite256, nearestTo, nearestWithin, putCodes, toLanes } from "./kLanes";
import { widenHalf } from "../../simd/widenHalf";

// Parts of the scratch memory: elements, their squares and cubes as lanes, then codes and scales.
const SQUARES: usize = 256;
const CUBES: usize = 512;
const CODES: usize = 768;
const SCALES: usize = 1024;

/** Magnitudes below this count as zero. */
const NOTHING: f32 = 1e-15;

let sumXL: v128;
let sumL2: v128;

/**
 * Computes the sums of a least-squares fit of the scale for four groups at once: sumXL of weight * x * code, and sumL2
 * of weight * code². A code is an element times `inverse`, rounded; the weight is the square of the element.
 */
function sums(room: usize, inverse: v128): void {
  let xl = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  for (let at = room; at < room + 256; at += 16) {
    const code = f32x4.convert_i32x4_s(nearestWithin(f32x4.mul(inverse, v128.load(at)), -32, 31));
    xl = f32x4.add(xl, f32x4.mul(v128.load(at, CUBES), code));
    l2 = f32x4.add(l2, f32x4.mul(f32x4.mul(v128.load(at, SQUARES), code), code));
  }
  sumXL = xl;
  sumL2 = l2;
}

/** Finds the scales and the codes (plus 32) of the groups `first` to `first + 3` of a block. */
function fourGroups(x: usize, first: usize, room: usize): void {
  toLanes(x + 64 * first, 16, room);
  const zero = f32x4.splat(0);
  let largest = zero;
  for (let at = room; at < room + 256; at += 16) {
    const v = v128.load(at);
    const square = f32x4.mul(v, v);
    v128.store(at, square, SQUARES);
    v128.store(at, f32x4.mul(square, v), CUBES);
    largest = v128.bitselect(v, largest, f32x4.gt(f32x4.abs(v), f32x4.abs(largest)));
  }
  const none = f32x4.lt(f32x4.abs(largest), f32x4.splat(NOTHING));
  let inverse = f32x4.div(f32x4.splat(-32), largest);
  sums(room, inverse);
  let scale = v128.andnot(f32x4.div(sumXL, sumL2), f32x4.eq(sumL2, zero));
  let best = f32x4.mul(scale, sumXL);
  for (let step = -9; step <= 9; step++) {
    if (step == 0) continue;
    const tried = f32x4.div(f32x4.splat(-(<f32>32 + <f32>0.1 * <f32>step)), largest);
    sums(room, tried);
    const gain = f32x4.gt(f32x4.mul(sumXL, sumXL), f32x4.mul(best, sumL2));
    const better = v128.and(f32x4.gt(sumL2, zero), gain);
    inverse = v128.bitselect(tried, inverse, better);
    scale = v128.bitselect(f32x4.div(sumXL, sumL2), scale, better);
    best = v128.bitselect(f32x4.mul(scale, sumXL), best, better);
  }
  v128.store(room + 4 * first, v128.andnot(scale, none), SCALES);
  const codes = room + CODES + 16 * first;
  for (let i: usize = 0; i < 16; i++) {
    const code = nearestWithin(f32x4.mul(inverse, v128.load(room + (i << 4))), -32, 31);
    putCodes(codes, 16, i, v128.andnot(i32x4.add(code, i32x4.splat(32)), none));
  }
}

/** Returns the codes of four elements for a group's rounded scale, plus 32. */
// @ts-ignore: decorator
@inline
function again(x: usize, scale: v128): v128 {
  return i32x4.add(nearestWithin(f32x4.div(v128.load(x), scale), -32, 31), i32x4.splat(32));
}

/** Packs 256 elements as one block of a K-quant format. Returns false if an element or a scale is not finite. */
export function packSigned(x: usize, block: usize, room: usize): bool {
  if (!isFinite256(x)) return false;
  for (let first: usize = 0; first < 16; first += 4) fourGroups(x, first, room);
  let largest: f32 = 0;
  for (let at = room; at < room + 64; at += 4) {
    const scale = load<f32>(at, SCALES);
    if (abs(scale) > abs(largest)) largest = scale;
  }
  if (abs(largest) < NOTHING) {
    memory.fill(block, 0, 210);
    return true;
  }
  const inverse: f32 = -128 / largest;
  const half = halfCode(1 / inverse);
  if ((half & 0x7fff) >= 0x7c00) return false;
  store<u16>(block, half, 208);
  const d = widenHalf(half);
  for (let group: usize = 0; group < 16; group++) {
    const code = min(127, nearestTo(inverse * load<f32>(room + (group << 2), SCALES)));
    store<i8>(block + group, code, 192);
    const own = d * <f32>load<i8>(block + group, 192);
    // If the scale is rounded to zero, the codes found with the unrounded scale are kept.
    if (own == 0) continue;
    const s = f32x4.splat(own);
    const at = x + 64 * group;
    v128.store(room + CODES + 16 * group, bytesOf(again(at, s), again(at + 16, s), again(at + 32, s), again(at + 48, s)));
  }
  writeCodes(room + CODES, block);
  return true;
}

/** Writes the codes of a block: their low four bits as nibbles, and their upper two bits, four of them in each byte. */
function writeCodes(codes: usize, block: usize): void {
  const low = i8x16.splat(15);
  for (let half: usize = 0; half < 2; half++) {
    const from = codes + 128 * half;
    for (let i: usize = 0; i < 64; i += 16) {
      const first = v128.and(v128.load(from + i), low);
      v128.store(block + 64 * half + i, v128.or(first, i8x16.shl(v128.load(from + i, 64), 4)));
    }
    for (let i: usize = 0; i < 32; i += 16) {
      let upper = i8x16.splat(0);
      for (let quarter = 0; quarter < 4; quarter++) {
        const bits = i8x16.shr_u(v128.load(from + i + 32 * quarter), 4);
        upper = v128.or(upper, i8x16.shl(bits, 2 * quarter));
      }
      v128.store(block + 128 + 32 * half + i, upper);
    }
  }
}
