// The sums of a tile of four rows by eight columns, in scratch memory, and the part of C to which they belong.
import { loadPart, storePart } from "../../simd/lanes";

/** Bytes of the 4 x 8 sums of a tile. */
export const SUMS: usize = 128;

/** Bytes of scratch memory of a tile: its sums, followed by two 16-bit integers 1. */
export const TILE: usize = SUMS + 16;

/**
 * Stores two 16-bit integers 1 after the sums of a tile. They are loaded once before a loop; V8 would build a constant
 * again at each use.
 */
// @ts-ignore: decorator
@inline
export function putOnes(sums: usize): void {
  store<i32>(sums, 0x10001, SUMS);
}

/** Loads the integers that `putOnes` stored, as a vector of eight 16-bit ones. */
// @ts-ignore: decorator
@inline
export function onesOf(sums: usize): v128 {
  return v128.load32_splat(sums, SUMS);
}

/** Sets the 4 x 8 sums of a tile to zero. */
// @ts-ignore: decorator
@inline
export function clearSums(sums: usize): void {
  for (let at: usize = 0; at < SUMS; at += 16) v128.store(sums + at, f32x4.splat(0));
}

/** Copies the sums of a tile's first `rows` rows and `columns` columns to C. */
export function putSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    storePart(c, v128.load(sums), columns);
    if (columns > 4) storePart(c + 16, v128.load(sums, 16), columns - 4);
    sums += 32;
    c += crs;
  }
}

/** Loads the sums of a tile from C, to continue an earlier sum. */
export function takeSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    v128.store(sums, loadPart(c, columns, zero));
    v128.store(sums, columns > 4 ? loadPart(c + 16, columns - 4, zero) : zero, 16);
    sums += 32;
    c += crs;
  }
}
