// The sums of a tile of four rows by eight columns, in scratch memory, and the part of C they are.
import { loadPart, storePart } from "./lanes";

/** Bytes of the sums of a tile. */
export const SUMS: usize = 128;

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
