// The sums of a tile of four rows by eight columns, in scratch memory, and the part of C they are.
import { loadPart, storePart } from "./lanes";

/** Bytes of the sums of a tile. */
export const SUMS: usize = 128;

/** Bytes of what a tile takes of scratch memory: its sums, and a pair of ones behind them. */
export const TILE: usize = SUMS + 16;

/**
 * Writes the ones of a tile. Its loop over blocks holds them in a register: V8 would build a
 * constant anew at each use.
 */
// @ts-ignore: decorator
@inline
export function putOnes(sums: usize): void {
  store<i32>(sums, 0x10001, SUMS);
}

/** Eight ones of 16 bits. */
// @ts-ignore: decorator
@inline
export function onesOf(sums: usize): v128 {
  return v128.load32_splat(sums, SUMS);
}

/** Fills the sums of a tile with zeros. */
// @ts-ignore: decorator
@inline
export function clearSums(sums: usize): void {
  for (let at: usize = 0; at < SUMS; at += 16) v128.store(sums + at, f32x4.splat(0));
}

/** Copies the sums of a tile's rows and columns that are there. */
export function putSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    storePart(c, v128.load(sums), columns);
    if (columns > 4) storePart(c + 16, v128.load(sums, 16), columns - 4);
    sums += 32;
    c += crs;
  }
}

/** Loads what the sums of a tile were before. */
export function takeSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    v128.store(sums, loadPart(c, columns, zero));
    v128.store(sums, columns > 4 ? loadPart(c + 16, columns - 4, zero) : zero, 16);
    sums += 32;
    c += crs;
  }
}
