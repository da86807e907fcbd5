// The order in which the rows of a large weight are read, once each.

/**
 * Rows far apart that take turns: memory gives to streams side by side two to three times what
 * it gives to a single one.
 */
const STREAMS: i32 = 8;

/** The row, of n, to read as number i. */
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
 * The row, of n, that is number `lane` (0 to 3) of group g: one of each quarter, and at last the
 * rest, where the last row stands for those that are not there.
 */
// @ts-ignore: decorator
@inline
export function rowOfGroup(g: i32, lane: i32, n: i32): usize {
  const apart = n >> 2;
  return <usize>(g < apart ? g + lane * apart : min(4 * apart + lane, n - 1));
}

/** Writes the four numbers of a group's rows. */
// @ts-ignore: decorator
@inline
export function storeGroup(c: usize, g: i32, n: i32, sums: v128): void {
  v128.store32_lane(c + (rowOfGroup(g, 0, n) << 2), sums, 0);
  v128.store32_lane(c + (rowOfGroup(g, 1, n) << 2), sums, 1);
  v128.store32_lane(c + (rowOfGroup(g, 2, n) << 2), sums, 2);
  v128.store32_lane(c + (rowOfGroup(g, 3, n) << 2), sums, 3);
}
