// Register tiles for machines to which `gemmTile` does not fit. MR x 16, with adjacent accumulators, is for engines
// that fuse neighbouring 128-bit operations into 256 bits; 8 x 8 is for 32 registers. On other machines both spill
// registers.
import { MR, putRow, ZEROS } from "./gemmTile";
import { madd } from "../simd/lanes";

/** Stores a row of 16 floats of a tile: the sums in c0 to c3, plus the starting values at `from`. */
// @ts-ignore: decorator
@inline
function putWideRow(c: usize, from: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  putRow(c, from, c0, c1);
  // Constant offsets: engines that fuse operations do not detect that c + 32 and c + 48 are neighbours.
  const low = f32x4.add(v128.load(from, 32), c2);
  const high = f32x4.add(v128.load(from, 48), c3);
  v128.store(c, low, 32);
  v128.store(c, high, 48);
}

/**
 * Computes an MR x 16 tile: C = from + A * B. A is a k-major panel of MR rows (MR values per element of k), B one of 16
 * columns. `crs` and `frs` are the row strides of C and `from`, in bytes.
 */
export function tileMRx16(a: usize, b: usize, c: usize, crs: usize, from: usize, frs: usize, k: i32): void {
  let c00 = v128.load(ZEROS);
  let c01 = v128.load(ZEROS);
  let c02 = v128.load(ZEROS);
  let c03 = v128.load(ZEROS);
  let c10 = v128.load(ZEROS);
  let c11 = v128.load(ZEROS);
  let c12 = v128.load(ZEROS);
  let c13 = v128.load(ZEROS);
  let c20 = v128.load(ZEROS);
  let c21 = v128.load(ZEROS);
  let c22 = v128.load(ZEROS);
  let c23 = v128.load(ZEROS);
  let c30 = v128.load(ZEROS);
  let c31 = v128.load(ZEROS);
  let c32 = v128.load(ZEROS);
  let c33 = v128.load(ZEROS);
  let c40 = v128.load(ZEROS);
  let c41 = v128.load(ZEROS);
  let c42 = v128.load(ZEROS);
  let c43 = v128.load(ZEROS);
  let c50 = v128.load(ZEROS);
  let c51 = v128.load(ZEROS);
  let c52 = v128.load(ZEROS);
  let c53 = v128.load(ZEROS);
  do {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    c02 = madd(x, b2, c02);
    c03 = madd(x, b3, c03);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    c12 = madd(x, b2, c12);
    c13 = madd(x, b3, c13);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    c22 = madd(x, b2, c22);
    c23 = madd(x, b3, c23);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    c32 = madd(x, b2, c32);
    c33 = madd(x, b3, c33);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    c42 = madd(x, b2, c42);
    c43 = madd(x, b3, c43);
    if (MR > 5) {
      x = v128.load32_splat(a, 20);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
      c52 = madd(x, b2, c52);
      c53 = madd(x, b3, c53);
    }
    a += MR << 2;
    b += 16 << 2;
  } while (--k);
  putWideRow(c, from, c00, c01, c02, c03);
  c += crs;
  from += frs;
  putWideRow(c, from, c10, c11, c12, c13);
  c += crs;
  from += frs;
  putWideRow(c, from, c20, c21, c22, c23);
  c += crs;
  from += frs;
  putWideRow(c, from, c30, c31, c32, c33);
  c += crs;
  from += frs;
  putWideRow(c, from, c40, c41, c42, c43);
  if (MR == 5) return;
  c += crs;
  from += frs;
  putWideRow(c, from, c50, c51, c52, c53);
}

/**
 * Computes an 8 x 8 tile: C = from + A * B. A and B are k-major panels, 8 values wide. `crs` and `frs` are the row
 * strides of C and `from`, in bytes.
 */
export function tile8x8(a: usize, b: usize, c: usize, crs: usize, from: usize, frs: usize, k: i32): void {
  let c00 = v128.load(ZEROS);
  let c01 = v128.load(ZEROS);
  let c10 = v128.load(ZEROS);
  let c11 = v128.load(ZEROS);
  let c20 = v128.load(ZEROS);
  let c21 = v128.load(ZEROS);
  let c30 = v128.load(ZEROS);
  let c31 = v128.load(ZEROS);
  let c40 = v128.load(ZEROS);
  let c41 = v128.load(ZEROS);
  let c50 = v128.load(ZEROS);
  let c51 = v128.load(ZEROS);
  let c60 = v128.load(ZEROS);
  let c61 = v128.load(ZEROS);
  let c70 = v128.load(ZEROS);
  let c71 = v128.load(ZEROS);
  do {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(a, 20);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    x = v128.load32_splat(a, 24);
    c60 = madd(x, b0, c60);
    c61 = madd(x, b1, c61);
    x = v128.load32_splat(a, 28);
    c70 = madd(x, b0, c70);
    c71 = madd(x, b1, c71);
    a += 8 << 2;
    b += 8 << 2;
  } while (--k);
  putRow(c, from, c00, c01);
  c += crs;
  from += frs;
  putRow(c, from, c10, c11);
  c += crs;
  from += frs;
  putRow(c, from, c20, c21);
  c += crs;
  from += frs;
  putRow(c, from, c30, c31);
  c += crs;
  from += frs;
  putRow(c, from, c40, c41);
  c += crs;
  from += frs;
  putRow(c, from, c50, c51);
  c += crs;
  from += frs;
  putRow(c, from, c60, c61);
  c += crs;
  from += frs;
  putRow(c, from, c70, c71);
}
