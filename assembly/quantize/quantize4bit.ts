// Weights to nf4 and fp4: codes, a scale for each block, and nested scales. docs/design/packed.md draws the layout.
import { cascadeMean } from "./cascadeMean";
import { F32, FP4 } from "../formats/dtypes.gen";
import { dynamicTable } from "../formats/dynamicMap";
import { loadPart } from "../simd/lanes";
import { largestOf } from "./nearestCode";
import { quantizeBlockwise } from "./quantizeBlockwise";
import { codesFrom, fourBitValues, lookup } from "../formats/unpackFourBit";
import { unpackRow } from "../formats/dispatch/formats";

/** Number of scales that share one second-level scale. */
const NESTED_BLOCK: i32 = 256;

/** The divisor to use if a scale is 0, so that no division by zero occurs. */
const TINY: f32 = 1e-38;

/** The sixteen codes, sorted by the values that they stand for. */
const NF4_ORDER: usize = memory.data<u8>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 16);
const FP4_ORDER: usize = memory.data<u8>([11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3], 16);

/** Writes the fifteen midpoints between neighbouring values in `values`, in ascending order. */
function writeThresholds(values: usize, order: usize, dst: usize): void {
  for (let i: usize = 0; i < 15; i++) {
    const below = load<f32>(values + (<usize>load<u8>(order + i) << 2));
    const above = load<f32>(values + (<usize>load<u8>(order + i, 1) << 2));
    store<f32>(dst + (i << 2), (below + above) / 2);
  }
}

/**
 * Returns the codes of the sixteen floats at `x`. A code is found by counting the thresholds below the float; `order`
 * maps the count to the code.
 */
// @ts-ignore: decorator
@inline
function encode16(x: usize, thresholds: usize, order: v128): v128 {
  const x0 = v128.load(x);
  const x1 = v128.load(x, 16);
  const x2 = v128.load(x, 32);
  const x3 = v128.load(x, 48);
  let r0 = i32x4.splat(0);
  let r1 = r0;
  let r2 = r0;
  let r3 = r0;
  for (let end = thresholds + 60; thresholds < end; thresholds += 4) {
    const t = v128.load32_splat(thresholds);
    r0 = i32x4.sub(r0, f32x4.gt(x0, t));
    r1 = i32x4.sub(r1, f32x4.gt(x1, t));
    r2 = i32x4.sub(r2, f32x4.gt(x2, t));
    r3 = i32x4.sub(r3, f32x4.gt(x3, t));
  }
  return lookup(order, i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_u(r0, r1), i16x8.narrow_i32x4_u(r2, r3)));
}

/** Packs sixteen codes into eight bytes; even-numbered codes go to the high nibbles. */
// @ts-ignore: decorator
@inline
function storePairs(codes: v128, dst: usize): void {
  const even = i16x8.shl(v128.and(codes, i16x8.splat(255)), 4);
  const bytes = v128.or(even, i16x8.shr_u(codes, 8));
  v128.store64_lane(dst, i8x16.narrow_i16x8_u(bytes, bytes), 0);
}

/**
 * Scales the `count` floats of a block. A whole block is multiplied by 1 / `divisor`, an incomplete one is divided by
 * `divisor`, as in bitsandbytes. Pads the result with zeros to a multiple of 16.
 */
function scaleBlock(src: usize, count: i32, divisor: f32, whole: bool, dst: usize): void {
  const zero = f32x4.splat(0);
  const inverse = f32x4.splat(<f32>1 / divisor);
  const by = f32x4.splat(divisor);
  for (let i = 0; i < count; i += 4) {
    const at = <usize>i << 2;
    const x = loadPart(src + at, count - i, zero);
    v128.store(dst + at, whole ? f32x4.mul(x, inverse) : f32x4.div(x, by));
  }
  const filled = (count + 3) & ~3;
  const end = (count + 15) & ~15;
  for (let i = filled; i < end; i += 4) v128.store(dst + (<usize>i << 2), zero);
}

/** Clears the padding bytes between two sections of a packed weight. */
function clearBetween(end: usize, next: usize): void {
  memory.fill(end, 0, next - end);
}

/**
 * Quantises the n elements at x, stored in the dtype `format`, to nf4 or fp4. Writes the header and the codes to `out`,
 * and the scales to `scales`. `room` is scratch for a block of floats and 512 bytes. Returns the index of the first
 * block with a NaN or an infinity, or -1 if there is none.
 */
export function quantize4bit(
  x: usize, format: i32, n: i32, out: usize, quantType: i32, blockSize: i32, absmaxOffset: i32, nestedOffset: i32,
  scales: usize, room: usize,
): i32 {
  memory.fill(out, 0, 64);
  store<i32>(out, blockSize);
  store<i32>(out, absmaxOffset, 4);
  store<i32>(out, nestedOffset, 8);
  clearBetween(codesFrom(out, n + 1), out + <usize>absmaxOffset);
  const orderAt = quantType == FP4 ? FP4_ORDER : NF4_ORDER;
  writeThresholds(fourBitValues(quantType == FP4), orderAt, room);
  const order = v128.load(orderAt);
  const scaled = room + 64;
  for (let from = 0, block = 0; from < n; from += blockSize, block++) {
    const count = min(blockSize, n - from);
    let src = scaled;
    if (format == F32) src = x + (<usize>from << 2);
    else unpackRow(format, x, from, count, scaled);
    const most = largestOf(src, count);
    if (!(most < <f32>Infinity)) return block;
    const whole = count == blockSize;
    const divisor = max(most, TINY);
    store<f32>(scales + (<usize>block << 2), whole ? most : divisor);
    scaleBlock(src, count, divisor, whole, scaled);
    const codes = codesFrom(out, from);
    let i = 0;
    for (; count - i >= 16; i += 16) storePairs(encode16(scaled + (<usize>i << 2), room, order), codes + (<usize>i >> 1));
    if (i == count) continue;
    const at = scaled + (<usize>i << 2);
    storePairs(encode16(at, room, order), at);
    memory.copy(codes + (<usize>i >> 1), at, <usize>(count - i + 1) >> 1);
  }
  return -1;
}

/**
 * Quantises the scales of a packed weight to 8 bits, after subtracting their mean (double quantisation). Overwrites
 * `scales` and returns the mean, which the caller must check for overflow. `room` is 512 bytes of scratch.
 */
export function nestScales(out: usize, scales: usize, blocks: i32, room: usize): f32 {
  const codes = out + <usize>load<u32>(out, 4);
  const nested = out + <usize>load<u32>(out, 8);
  clearBetween(codes + <usize>blocks, nested);
  const offset = cascadeMean(scales, blocks, room);
  store<f32>(out, offset, 12);
  for (let i = 0; i < blocks; i++) {
    const at = scales + (<usize>i << 2);
    store<f32>(at, load<f32>(at) - offset);
  }
  quantizeBlockwise(scales, blocks, NESTED_BLOCK, dynamicTable(), codes, nested);
  return offset;
}
