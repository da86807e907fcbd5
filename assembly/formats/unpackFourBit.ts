// nf4 and fp4 weights as f32. docs/design/packed.md draws the layout: a header of 64 bytes, codes, scales.
import { dynamicTable } from "./dynamicMap";
import { zipHigh, zipLow } from "../simd/lanes";

const HEADER: usize = 64;

/** 15 in every byte. It is loaded from memory, since V8 would build a constant again at each use. */
const NIBBLES: usize = memory.data<u32>([0x0f0f0f0f]);

// @ts-ignore: decorator
@inline
export function nibbleMask(): v128 {
  return v128.load32_splat(NIBBLES);
}

const NF4_VALUES: usize = memory.data<f32>(
  [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
    -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
  ],
  16,
);
const FP4_VALUES: usize = memory.data<f32>(
  [
    0.0, 0.0052083334885537624, 0.6666666865348816, 1.0, 0.3333333432674408, 0.5, 0.1666666716337204, 0.25,
    0.0, -0.0052083334885537624, -0.6666666865348816, -1.0, -0.3333333432674408, -0.5, -0.1666666716337204, -0.25,
  ],
  16,
);

/** Returns the address of the values of the sixteen nf4 or fp4 codes, f32. */
// @ts-ignore: decorator
@inline
export function fourBitValues(isFp4: bool): usize {
  return isFp4 ? FP4_VALUES : NF4_VALUES;
}

/** Returns the address of the codes from element `start` on, which must be even. */
// @ts-ignore: decorator
@inline
export function codesFrom(base: usize, start: i32): usize {
  return base + HEADER + (<usize>start >> 1);
}

/** Returns the scale of a block as f32. If the scales are themselves quantised (nested), it is dequantised. */
export function fourBitScale(base: usize, block: i32): f32 {
  const at = <usize>block;
  const absmax = base + <usize>load<u32>(base, 4);
  const nested = <usize>load<u32>(base, 8);
  if (nested == 0) return load<f32>(absmax + (at << 2));
  const code = <usize>load<u8>(absmax + at);
  return load<f32>(dynamicTable() + (code << 2)) * load<f32>(base + nested + ((at >> 8) << 2)) + load<f32>(base, 12);
}

/**
 * Writes the scales of `count` blocks, from `block` on, as f32. If the scales are themselves quantised (nested), they
 * are dequantised.
 */
export function fourBitScales(base: usize, block: i32, count: i32, dst: usize): void {
  const absmax = base + <usize>load<u32>(base, 4);
  const nested = <usize>load<u32>(base, 8);
  if (nested == 0) {
    memory.copy(dst, absmax + (<usize>block << 2), <usize>count << 2);
    return;
  }
  const table = dynamicTable();
  const offset = load<f32>(base, 12);
  for (const end = block + count; block < end; block++) {
    const value = load<f32>(table + (<usize>load<u8>(absmax + <usize>block) << 2));
    store<f32>(dst, value * load<f32>(base + nested + ((<usize>block >> 8) << 2)) + offset);
    dst += 4;
  }
}

/** Returns byte `index` of each of sixteen floats: a table for `lookup`. */
// @ts-ignore: decorator
@inline
export function bytePlane(values: usize, index: i32): v128 {
  const a = i32x4.shr_u(v128.load(values), index << 3);
  const b = i32x4.shr_u(v128.load(values, 16), index << 3);
  const c = i32x4.shr_u(v128.load(values, 32), index << 3);
  const d = i32x4.shr_u(v128.load(values, 48), index << 3);
  const mask = i32x4.splat(255);
  const low = i16x8.narrow_i32x4_u(v128.and(a, mask), v128.and(b, mask));
  return i8x16.narrow_i16x8_u(low, i16x8.narrow_i32x4_u(v128.and(c, mask), v128.and(d, mask)));
}

/** Returns the table's bytes at sixteen indices from 0 to 15. */
// @ts-ignore: decorator
@inline
export function lookup(table: v128, at: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, at) : i8x16.swizzle(table, at);
}

/**
 * Writes the values of sixteen codes, times the scale, as f32. p0 to p3 are lookup tables: each has one of the four
 * bytes of every value.
 */
// @ts-ignore: decorator
@inline
function widenCodes(p0: v128, p1: v128, p2: v128, p3: v128, codes: v128, scale: v128, dst: usize): void {
  const b0 = lookup(p0, codes);
  const b1 = lookup(p1, codes);
  const b2 = lookup(p2, codes);
  const b3 = lookup(p3, codes);
  const low01 = zipLow(b0, b1);
  const low23 = zipLow(b2, b3);
  const high01 = zipHigh(b0, b1);
  const high23 = zipHigh(b2, b3);
  v128.store(dst, f32x4.mul(v128.shuffle<u16>(low01, low23, 0, 8, 1, 9, 2, 10, 3, 11), scale));
  v128.store(dst, f32x4.mul(v128.shuffle<u16>(low01, low23, 4, 12, 5, 13, 6, 14, 7, 15), scale), 16);
  v128.store(dst, f32x4.mul(v128.shuffle<u16>(high01, high23, 0, 8, 1, 9, 2, 10, 3, 11), scale), 32);
  v128.store(dst, f32x4.mul(v128.shuffle<u16>(high01, high23, 4, 12, 5, 13, 6, 14, 7, 15), scale), 48);
}

/**
 * Converts the elements start..end-1 to f32 one by one, and writes them to `dst`. Returns the address after the last
 * one written.
 */
function unpackSingly(base: usize, values: usize, scale: f32, start: i32, end: i32, dst: usize): usize {
  for (let i = start; i < end; i++) {
    const byte = <usize>load<u8>(codesFrom(base, i));
    const code = i & 1 ? byte & 15 : byte >> 4;
    store<f32>(dst, load<f32>(values + (code << 2)) * scale);
    dst += 4;
  }
  return dst;
}

/** Converts `count` elements of an nf4 or fp4 weight to f32, from element `start` on. */
export function unpackFourBit(base: usize, isFp4: bool, start: i32, count: i32, dst: usize): void {
  const values = fourBitValues(isFp4);
  const p0 = bytePlane(values, 0);
  const p1 = bytePlane(values, 1);
  const p2 = bytePlane(values, 2);
  const p3 = bytePlane(values, 3);
  const nibble = nibbleMask();
  const shift = ctz(load<i32>(base));
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = i >> shift;
    const blockEnd = min(end, (block + 1) << shift);
    const factor = fourBitScale(base, block);
    const scale = f32x4.splat(factor);
    if (i & 1) {
      dst = unpackSingly(base, values, factor, i, i + 1, dst);
      i++;
    }
    for (; blockEnd - i >= 16; i += 16) {
      const bytes = v128.load64_zero(codesFrom(base, i));
      const codes = zipLow(v128.and(i16x8.shr_u(bytes, 4), nibble), v128.and(bytes, nibble));
      widenCodes(p0, p1, p2, p3, codes, scale, dst);
      dst += 64;
    }
    dst = unpackSingly(base, values, factor, i, blockEnd, dst);
    i = blockEnd;
  }
}
