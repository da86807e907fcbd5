// The order in which the rows of a large weight are read, each once.

/**
 * Distant rows that are read in turn: memory is two to three times as fast for parallel streams as for a single one.
 */
const STREAMS: i32 = 8;

/** The index of the row, of n, to read as the i-th. */
// @ts-ignore: decorator
@inline
export function rowInTurn(i: i32, n: i32): i32 {
  const apart = n / STREAMS;
  return i < apart * STREAMS ? (i & (STREAMS - 1)) * apart + i / STREAMS : i;
}

/** Groups of four rows among n. */
// @ts-ignore: decorator
@inline
export function rowGroups(n: i32): i32 {
  return (n + 3) >> 2;
}

/**
 * The index of row `lane` (0 to 3), of n, of group g: one row from each quarter. The last group holds the remaining
 * rows, and its missing rows repeat the last one.
 */
// @ts-ignore: decorator
@inline
export function rowOfGroup(g: i32, lane: i32, n: i32): usize {
  const apart = n >> 2;
  return <usize>(g < apart ? g + lane * apart : min(4 * apart + lane, n - 1));
}

/** Writes the four results of a group's rows. */
// @ts-ignore: decorator
@inline
export function storeGroup(c: usize, g: i32, n: i32, sums: v128): void {
  v128.store32_lane(c + (rowOfGroup(g, 0, n) << 2), sums, 0);
  v128.store32_lane(c + (rowOfGroup(g, 1, n) << 2), sums, 1);
  v128.store32_lane(c + (rowOfGroup(g, 2, n) << 2), sums, 2);
  v128.store32_lane(c + (rowOfGroup(g, 3, n) << 2), sums, 3);
}
