// GGUF's q4_1 and q8_0 weights as f32: blocks of 32 elements, an f16 scale first.
import { Q4_1_BYTES, Q8_0_BYTES } from "./dtypes.gen";
import { widenHalf } from "./half";
import { nibbleMask } from "./unpackFourBit";

const BLOCK: i32 = 32;

/** Where the block of element i begins. */
// @ts-ignore: decorator
@inline
export function ggufBlock(base: usize, i: i32, bytes: usize): usize {
  return base + <usize>(i >> 5) * bytes;
}

/** The f16 at p. */
// @ts-ignore: decorator
@inline
export function halfAt(p: usize): f32 {
  return widenHalf(<u32>load<u16>(p));
}

/** Writes d q + m for 16 unsigned bytes q; the product is exact. */
// @ts-ignore: decorator
@inline
function widenUnsigned(q: v128, d: v128, m: v128, dst: usize): void {
  const low = i16x8.extend_low_i8x16_u(q);
  const high = i16x8.extend_high_i8x16_u(q);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), d), m));
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), d), m), 16);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), d), m), 32);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), d), m), 48);
}

/** Writes d q for 16 signed bytes q. */
// @ts-ignore: decorator
@inline
function widenSigned(q: v128, d: v128, dst: usize): void {
  const low = i16x8.extend_low_i8x16_s(q);
  const high = i16x8.extend_high_i8x16_s(q);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), d));
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), d), 16);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), d), 32);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), d), 48);
}

/** Writes `count` elements of a q4_1 weight from element `start` on. */
export function unpackQ4(base: usize, start: i32, count: i32, dst: usize): void {
  const nibble = nibbleMask();
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = ggufBlock(base, i, Q4_1_BYTES);
    const d = halfAt(block);
    const m = halfAt(block + 2);
    const within = i & (BLOCK - 1);
    if (within == 0 && end - i >= BLOCK) {
      const bytes = v128.load(block, 4);
      widenUnsigned(v128.and(bytes, nibble), f32x4.splat(d), f32x4.splat(m), dst);
      widenUnsigned(v128.and(i16x8.shr_u(bytes, 4), nibble), f32x4.splat(d), f32x4.splat(m), dst + 64);
      dst += 128;
      i += BLOCK;
    } else {
      const byte = <u32>load<u8>(block + <usize>(within & 15), 4);
      store<f32>(dst, d * <f32>(within < 16 ? byte & 15 : byte >> 4) + m);
      dst += 4;
      i++;
    }
  }
}

/** Writes `count` elements of a q8_0 weight from element `start` on. */
export function unpackQ8(base: usize, start: i32, count: i32, dst: usize): void {
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = ggufBlock(base, i, Q8_0_BYTES);
    const d = halfAt(block);
    const within = i & (BLOCK - 1);
    if (within == 0 && end - i >= BLOCK) {
      widenSigned(v128.load(block, 2), f32x4.splat(d), dst);
      widenSigned(v128.load(block, 18), f32x4.splat(d), dst + 64);
      dst += 128;
      i += BLOCK;
    } else {
      store<f32>(dst, d * <f32>load<i8>(block + <usize>within, 2));
      dst += 4;
      i++;
    }
  }
}
