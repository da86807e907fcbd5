// Casts between dtypes.
import { BF16, F16, F32, I32, U8 } from "../dtypes.gen";
import { widenHalf } from "../../simd/widenHalf";
import { unpackRow } from "./formats";

/** Returns the bits of the f16 nearest to the f32 with the bits x. */
function halfOf(x: u32): u32 {
  const sign = (x >> 16) & 0x8000;
  const abs = x & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00 | ((abs >> 13) & 0x3ff);
  if (abs >= 0x477ff000) return sign | 0x7c00;
  if (abs >= 0x38800000) return sign | ((abs - 0x38000000 + 0xfff + ((abs >> 13) & 1)) >> 13);
  // A subnormal f16: adding 0.5 rounds it, ties to even, into the lowest bits.
  return sign | (reinterpret<u32>(reinterpret<f32>(abs) + 0.5) - 0x3f000000);
}

// @ts-ignore: decorator
@inline
function bfloatOf(x: u32): u32 {
  return (x & 0x7fffffff) > 0x7f800000 ? (x >> 16) | 0x40 : (x + 0x7fff + ((x >> 16) & 1)) >> 16;
}

// @ts-ignore: decorator
@inline
function read(p: usize, i: i32, from: i32): f64 {
  if (from == F32) return <f64>load<f32>(p + (<usize>i << 2));
  if (from == I32) return <f64>load<i32>(p + (<usize>i << 2));
  if (from == F16) return <f64>widenHalf(<u32>load<u16>(p + (<usize>i << 1)));
  if (from == BF16) return <f64>reinterpret<f32>(<u32>load<u16>(p + (<usize>i << 1)) << 16);
  return <f64>load<u8>(p + i);
}

/** Returns v limited to low..high. NaN is not changed by it; the conversion to an integer that follows makes it 0. */
// @ts-ignore: decorator
@inline
function clampTo(v: f64, low: f64, high: f64): f64 {
  return min(max(v, low), high);
}

// @ts-ignore: decorator
@inline
function write(p: usize, i: i32, to: i32, v: f64): void {
  if (to == F32) store<f32>(p + (<usize>i << 2), <f32>v);
  else if (to == I32) store<i32>(p + (<usize>i << 2), <i32>clampTo(v, -2147483648, 2147483647));
  else if (to == F16) store<u16>(p + (<usize>i << 1), <u16>halfOf(reinterpret<u32>(<f32>v)));
  else if (to == BF16) store<u16>(p + (<usize>i << 1), <u16>bfloatOf(reinterpret<u32>(<f32>v)));
  else if (to == U8) store<u8>(p + i, <u8><i32>clampTo(v, 0, 255));
  else store<u8>(p + i, v == 0 ? 0 : 1);
}

/** Converts n elements of x to another dtype. `from` and `to` are dtype numbers. */
export function cast(x: usize, out: usize, n: i32, from: i32, to: i32): void {
  if (to == F32 && (from == F16 || from == BF16)) unpackRow(from, x, 0, n, out);
  else for (let i = 0; i < n; i++) write(out, i, to, read(x, i, from));
}
