// Q4_K and Q5_K: 8 groups of 32 with a scale and a minimum. packages/core/src/packed/k/ contains the same in plain
// loops, and describes the bytes.
import { bytesOf, halfCode, isFinite256, nearestTo, nearestWithin, putCodes, toLanes } from "./kLanes";
import { widenHalf } from "../../simd/widenHalf";

// Parts of the scratch memory: elements, weights and codes as lanes, then codes, scales and minima.
const WEIGHTS: usize = 512;
const TRIED: usize = 1024;
const CODES: usize = 1536;
const SCALES: usize = 1792;
const MINIMA: usize = 1824;

let sumL: v128;
let sumL2: v128;
let sumXL: v128;

/**
 * Computes the codes of four groups for the given inverse scales and minima, and writes them as f32. Sets the variables
 * sumL, sumL2 and sumXL to sums over each group: weight * code, weight * code² and weight * code * x.
 */
function round(room: usize, inverse: v128, low: v128, most: i32): void {
  let l = f32x4.splat(0);
  let l2 = f32x4.splat(0);
  let xl = f32x4.splat(0);
  for (let at = room; at < room + 512; at += 16) {
    const x = v128.load(at);
    const code = f32x4.convert_i32x4_s(nearestWithin(f32x4.mul(inverse, f32x4.sub(x, low)), 0, most));
    v128.store(at, code, TRIED);
    const weighed = f32x4.mul(v128.load(at, WEIGHTS), code);
    l = f32x4.add(l, weighed);
    l2 = f32x4.add(l2, f32x4.mul(weighed, code));
    xl = f32x4.add(xl, f32x4.mul(weighed, x));
  }
  sumL = l;
  sumL2 = l2;
  sumXL = xl;
}

/** Returns the weighted sum of squared errors of the codes that `round` wrote, for each of four groups. */
function errorOf(room: usize, scale: v128, low: v128): v128 {
  let error = f32x4.splat(0);
  for (let at = room; at < room + 512; at += 16) {
    const off = f32x4.sub(f32x4.add(f32x4.mul(scale, v128.load(at, TRIED)), low), v128.load(at));
    error = f32x4.add(error, f32x4.mul(v128.load(at, WEIGHTS), f32x4.mul(off, off)));
  }
  return error;
}

/** Finds the codes, scales and minima of the groups `first` to `first + 3` of a block, by trying `steps` scales. */
function fourGroups(x: usize, first: usize, most: i32, start: f32, steps: i32, room: usize): void {
  toLanes(x + 128 * first, 32, room);
  const zero = f32x4.splat(0);
  let squares = zero;
  let low = v128.load(room);
  let high = low;
  for (let at = room; at < room + 512; at += 16) {
    const v = v128.load(at);
    squares = f32x4.add(squares, f32x4.mul(v, v));
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
  }
  const usual = f32x4.sqrt(f32x4.div(squares, f32x4.splat(32)));
  let sumW = zero;
  let sumX = zero;
  for (let at = room; at < room + 512; at += 16) {
    const v = v128.load(at);
    const weight = f32x4.add(usual, f32x4.abs(v));
    v128.store(at, weight, WEIGHTS);
    sumW = f32x4.add(sumW, weight);
    sumX = f32x4.add(sumX, f32x4.mul(weight, v));
  }
  low = v128.bitselect(zero, low, f32x4.gt(low, zero));
  const flat = f32x4.eq(high, low);
  let inverse = f32x4.div(f32x4.splat(<f32>most), f32x4.sub(high, low));
  // The stored codes belong to this inverse and this minimum.
  let floor = low;
  let scale = f32x4.div(f32x4.splat(1), inverse);
  round(room, inverse, low, most);
  let best = errorOf(room, scale, low);
  for (let step = 0; step <= steps; step++) {
    const tried = f32x4.splat(start + <f32>0.1 * <f32>step + <f32>most);
    const trial = f32x4.div(tried, f32x4.sub(high, low));
    round(room, trial, low, most);
    const determinant = f32x4.sub(f32x4.mul(sumW, sumL2), f32x4.mul(sumL, sumL));
    let fitted = f32x4.div(f32x4.sub(f32x4.mul(sumW, sumXL), f32x4.mul(sumX, sumL)), determinant);
    let fittedLow = f32x4.div(f32x4.sub(f32x4.mul(sumL2, sumX), f32x4.mul(sumL, sumXL)), determinant);
    const above = f32x4.gt(fittedLow, zero);
    fitted = v128.bitselect(f32x4.div(sumXL, sumL2), fitted, above);
    fittedLow = v128.bitselect(zero, fittedLow, above);
    const error = errorOf(room, fitted, fittedLow);
    const better = v128.and(f32x4.gt(determinant, zero), f32x4.lt(error, best));
    best = v128.bitselect(error, best, better);
    scale = v128.bitselect(fitted, scale, better);
    inverse = v128.bitselect(trial, inverse, better);
    floor = v128.bitselect(low, floor, better);
    low = v128.bitselect(fittedLow, low, better);
  }
  v128.store(room + 4 * first, v128.andnot(scale, flat), SCALES);
  v128.store(room + 4 * first, f32x4.neg(low), MINIMA);
  const codes = room + CODES + 32 * first;
  for (let i: usize = 0; i < 32; i++) {
    const above = f32x4.sub(v128.load(room + (i << 4)), floor);
    putCodes(codes, 32, i, v128.andnot(nearestWithin(f32x4.mul(inverse, above), 0, most), flat));
  }
}

/**
 * Returns the 6-bit code of `part`, which is the scale or the minimum of a group: part * inverse, rounded and limited
 * to 63.
 */
// @ts-ignore: decorator
@inline
function partCode(inverse: f32, part: f32): u32 {
  return min<u32>(63, nearestTo(inverse * part) & 255);
}

/** Writes a 6-bit scale (`part` 0) or minimum (`part` 4) into 12 bytes that were zero before. */
function putSixBits(at: usize, part: u32, group: u32, value: u32): void {
  const own = at + part + (group & 3);
  if (group < 4) {
    store<u8>(own, load<u8>(own) | value);
    return;
  }
  store<u8>(own, load<u8>(own) | ((value >> 4) << 6));
  const shared = at + 8 + (group & 3);
  store<u8>(shared, load<u8>(shared) | ((value & 15) << part));
}

/** Computes the codes of a group again, for the rounded scale and minimum that the block stores. */
function roundAgain(x: usize, codes: usize, scale: f32, minimum: f32, most: i32): void {
  const s = f32x4.splat(scale);
  const m = f32x4.splat(minimum);
  for (let i: usize = 0; i < 32; i += 16) {
    const at = x + (i << 2);
    const a = nearestWithin(f32x4.div(f32x4.add(v128.load(at), m), s), 0, most);
    const b = nearestWithin(f32x4.div(f32x4.add(v128.load(at, 16), m), s), 0, most);
    const c = nearestWithin(f32x4.div(f32x4.add(v128.load(at, 32), m), s), 0, most);
    const d = nearestWithin(f32x4.div(f32x4.add(v128.load(at, 48), m), s), 0, most);
    v128.store(codes + i, bytesOf(a, b, c, d));
  }
}

/** Packs 256 elements as one block of a K-quant format. Returns false if an element or a scale is not finite. */
export function packGroups(five: bool, x: usize, block: usize, room: usize): bool {
  if (!isFinite256(x)) return false;
  const most = five ? 31 : 15;
  const start: f32 = five ? -0.5 : -1;
  const steps = five ? 15 : 20;
  fourGroups(x, 0, most, start, steps, room);
  fourGroups(x, 4, most, start, steps, room);
  let largest: f32 = 0;
  let deepest: f32 = 0;
  for (let at = room; at < room + 32; at += 4) {
    largest = max(largest, load<f32>(at, SCALES));
    deepest = max(deepest, load<f32>(at, MINIMA));
  }
  const d = halfCode(largest / 63);
  const dmin = halfCode(deepest / 63);
  if (d >= 0x7c00 || dmin >= 0x7c00) return false;
  store<u16>(block, d);
  store<u16>(block, dmin, 2);
  store<u32>(block, 0, 4);
  store<u64>(block, 0, 8);
  const perScale: f32 = largest > 0 ? 63 / largest : 0;
  const perMinimum: f32 = deepest > 0 ? 63 / deepest : 0;
  for (let group: u32 = 0; group < 8; group++) {
    const at = room + (group << 2);
    const own = partCode(perScale, load<f32>(at, SCALES));
    const ownLow = partCode(perMinimum, load<f32>(at, MINIMA));
    putSixBits(block + 4, 0, group, own);
    putSixBits(block + 4, 4, group, ownLow);
    const scale = widenHalf(d) * <f32>own;
    // If the scale is rounded to zero, the codes found with the unrounded scale are kept.
    if (scale != 0) {
      roundAgain(x + 128 * group, room + CODES + 32 * group, scale, widenHalf(dmin) * <f32>ownLow, most);
    }
  }
  writeCodes(five, room + CODES, block);
  return true;
}

/**
 * Writes the codes of a block: if `five` is true, first the fifth bits of all codes, then the low four bits as nibbles.
 * A byte holds nibbles of two groups.
 */
function writeCodes(five: bool, codes: usize, block: usize): void {
  let nibbles = block + 16;
  if (five) {
    for (let i: usize = 0; i < 32; i += 16) {
      let fifth = i8x16.splat(0);
      for (let group = 0; group < 8; group++) {
        const bit = i8x16.shr_u(v128.load(codes + 32 * group + i), 4);
        fifth = v128.or(fifth, i8x16.shl(bit, group));
      }
      v128.store(nibbles + i, fifth);
    }
    nibbles += 32;
  }
  const low = i8x16.splat(15);
  for (let pair: usize = 0; pair < 4; pair++) {
    for (let i: usize = 0; i < 32; i += 16) {
      const at = codes + 64 * pair + i;
      const first = v128.and(v128.load(at), low);
      v128.store(nibbles + 32 * pair + i, v128.or(first, i8x16.shl(v128.load(at, 32), 4)));
    }
  }
}
