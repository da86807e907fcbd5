// Many arrays in one call. A table lists them. Their elements are cut into blocks, each within one array. Work is
// divided by blocks, so that results do not depend on the threads.

/** Number of elements in a block. The last block of an array may be shorter. */
const BLOCK: i32 = 1024;

// @ts-ignore: decorator
@inline
function blocksOf(n: i32): i32 {
  return (n + BLOCK - 1) / BLOCK;
}

/**
 * Size in bytes of a row of the table, which describes one array, or several arrays of equal length. A row holds two
 * i32 and four addresses. The integers are the number of blocks in all rows up to this one, and the number of elements
 * of an array. Unused addresses are 0.
 */
export const ROW: usize = 24;

/** Writes row `i` of the table. Write rows in order. Returns the number of blocks in the rows so far. */
export function setSegment(table: usize, i: i32, n: i32, a: usize, b: usize, c: usize, d: usize): i32 {
  const row = table + <usize>i * ROW;
  const end = (i > 0 ? load<i32>(row - ROW) : 0) + blocksOf(n);
  store<i32>(row, end);
  store<i32>(row, n, 4);
  store<usize>(row, a, 8);
  store<usize>(row, b, 12);
  store<usize>(row, c, 16);
  store<usize>(row, d, 20);
  return end;
}

/** Returns the address of the table row that contains the block `block`. */
// @ts-ignore: decorator
@inline
export function rowOf(table: usize, block: i32): usize {
  while (load<i32>(table) <= block) table += ROW;
  return table;
}

/** Returns the index of the first block after a table row. */
// @ts-ignore: decorator
@inline
export function endOf(row: usize): i32 {
  return load<i32>(row);
}

/** Returns the offset in bytes, within its array, of the first element of a block. */
// @ts-ignore: decorator
@inline
export function startOf(row: usize, block: i32): usize {
  const n = load<i32>(row, 4);
  const first = load<i32>(row) - blocksOf(n);
  return <usize>(block - first) * (BLOCK << 2);
}

/**
 * Returns the number of elements of a row's array from block `block` on. If block `last` begins within the array, only
 * the elements before it are counted.
 */
// @ts-ignore: decorator
@inline
export function countOf(row: usize, block: i32, last: i32): i32 {
  const n = load<i32>(row, 4) - <i32>(startOf(row, block) >> 2);
  return last < load<i32>(row) ? min(n, (last - block) * BLOCK) : n;
}
