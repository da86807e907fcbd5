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
