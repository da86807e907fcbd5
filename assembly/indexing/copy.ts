// Moving elements without changing them.
import { copyBytes } from "../simd/bytes";
import { storeTransposed } from "../simd/lanes";

/** Stores the 32-bit pattern `bits` in n elements. */
export function fill(out: usize, n: i32, bits: i32): void {
  if (bits == 0) {
    memory.fill(out, 0, <usize>n << 2);
    return;
  }
  const v = i32x4.splat(bits);
  for (; n >= 4; n -= 4) {
    v128.store(out, v);
    out += 16;
  }
  for (; n > 0; n--) {
    store<i32>(out, bits);
    out += 4;
  }
}

/**
 * Repeats 4-byte elements over a plane: out[r, j] = x[r * rowStride + j * step], where `step` is 0 or 1. `out` is
 * contiguous.
 */
export function expand(x: usize, out: usize, rows: i32, n: i32, rowStride: i32, step: i32): void {
  const bytes = <usize>n << 2;
  for (; rows > 0; rows--) {
    if (step) copyBytes(x, out, bytes);
    else fill(out, n, load<i32>(x));
    x += <usize>rowStride << 2;
    out += bytes;
  }
}

/**
 * Copies outer x count pieces of `bytes` bytes. Piece (i, j) is copied from x + i * xOuter + j * xStep to out + i *
 * outOuter + j * outStep. All strides are in bytes.
 */
export function copyBlocks(
  x: usize, out: usize, outer: i32, count: i32, bytes: i32, xOuter: i32, xStep: i32, outOuter: i32, outStep: i32,
): void {
  for (; outer > 0; outer--) {
    let src = x;
    let dst = out;
    for (let i = count; i > 0; i--) {
      copyBytes(src, dst, <usize>bytes);
      src += <usize>xStep;
      dst += <usize>outStep;
    }
    x += <usize>xOuter;
    out += <usize>outOuter;
  }
}

/** Copies a block of 4 x 4 four-byte elements and transposes it. Strides are in bytes. */
// @ts-ignore: decorator
@inline
function transposeBlock(src: usize, srcStride: usize, dst: usize, dstStride: usize): void {
  const r0 = v128.load(src);
  const r1 = v128.load(src + srcStride);
  const r2 = v128.load(src + 2 * srcStride);
  const r3 = v128.load(src + 3 * srcStride);
  storeTransposed(r0, r1, r2, r3, dst, dstStride);
}

/**
 * Copies a matrix of 4-byte elements and transposes it: out[i, j] = x[i + j * stride] for rows x n elements. It works
 * in blocks of 16 x 16, so that each cache line of x and out is used completely while it is cached.
 */
function transpose(x: usize, out: usize, rows: i32, n: i32, stride: usize): void {
  const outStride = <usize>n << 2;
  for (let i0 = 0; i0 < rows; i0 += 16) {
    const iEnd = min(i0 + 16, rows);
    for (let j0 = 0; j0 < n; j0 += 16) {
      const jEnd = min(j0 + 16, n);
      let j = j0;
      for (; j + 4 <= jEnd; j += 4) {
        let src = x + <usize>j * stride + (<usize>i0 << 2);
        let dst = out + <usize>i0 * outStride + (<usize>j << 2);
        let i = i0;
        for (; i + 4 <= iEnd; i += 4) {
          transposeBlock(src, stride, dst, outStride);
          src += 16;
          dst += outStride << 2;
        }
        for (; i < iEnd; i++) {
          for (let k: usize = 0; k < 4; k++) store<u32>(dst + (k << 2), load<u32>(src + k * stride));
          src += 4;
          dst += outStride;
        }
      }
      for (; j < jEnd; j++) {
        for (let i = i0; i < iEnd; i++) {
          store<u32>(out + <usize>i * outStride + (<usize>j << 2), load<u32>(x + <usize>j * stride + (<usize>i << 2)));
        }
      }
    }
  }
}

/**
 * Copies a 4-D array with its dimensions in another order. out is contiguous and has the sizes n0..n3; x is read with
 * the strides s0..s3, in elements. An element has `size` bytes: 1, 2 or 4.
 */
export function permute(
  x: usize, out: usize, n0: i32, n1: i32, n2: i32, n3: i32, s0: i32, s1: i32, s2: i32, s3: i32, size: i32,
): void {
  const bytes = <usize>size;
  const runBytes = <usize>n3 * bytes;
  const step = <usize>s3 * bytes;
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      let src = x + (<usize>i0 * s0 + <usize>i1 * s1) * bytes;
      if (s2 == 1 && size == 4) {
        transpose(src, out, n2, n3, step);
        out += <usize>n2 * runBytes;
        continue;
      }
      for (let i2 = 0; i2 < n2; i2++) {
        if (s3 == 1) copyBytes(src, out, runBytes);
        else {
          let s = src;
          for (let d = out; d < out + runBytes; d += bytes) {
            if (size == 4) store<u32>(d, load<u32>(s));
            else if (size == 2) store<u16>(d, load<u16>(s));
            else store<u8>(d, load<u8>(s));
            s += step;
          }
        }
        src += <usize>s2 * bytes;
        out += runBytes;
      }
    }
  }
}
