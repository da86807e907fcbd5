// The order in which the rows of a large weight are read, each once.

/**
 * Number of rows, far apart in memory, that are read in turn. Memory is two to three times as fast for parallel streams
 * as for one.
 */
const STREAMS: i32 = 8;

/**
 * Returns the index of the i-th row to read. The n rows are divided into STREAMS equal ranges that are read in turn,
 * one row of each; rows that are left over come last.
 */
// @ts-ignore: decorator
@inline
export function rowInTurn(i: i32, n: i32): i32 {
  const apart = n / STREAMS;
  return i < apart * STREAMS ? (i & (STREAMS - 1)) * apart + i / STREAMS : i;
}

/** Returns the number of groups of four rows among n rows. */
// @ts-ignore: decorator
@inline
export function rowGroups(n: i32): i32 {
  return (n + 3) >> 2;
}

/**
 * Returns the index of row `lane` (0 to 3) of group g, among n rows. A group has one row from each quarter of the rows.
 * The last group holds the rows that are left; its missing rows repeat the last one.
 */
// @ts-ignore: decorator
@inline
export function rowOfGroup(g: i32, lane: i32, n: i32): usize {
  const apart = n >> 2;
  return <usize>(g < apart ? g + lane * apart : min(4 * apart + lane, n - 1));
}

/** Writes the results of the four rows of group g to the entries of c for these rows. */
// @ts-ignore: decorator
@inline
export function storeGroup(c: usize, g: i32, n: i32, sums: v128): void {
  v128.store32_lane(c + (rowOfGroup(g, 0, n) << 2), sums, 0);
  v128.store32_lane(c + (rowOfGroup(g, 1, n) << 2), sums, 1);
  v128.store32_lane(c + (rowOfGroup(g, 2, n) << 2), sums, 2);
  v128.store32_lane(c + (rowOfGroup(g, 3, n) << 2), sums, 3);
}
