// The width of sums of products of bytes with codes below 16.

/** Not 0 if sums of nibbles have 16 bits. In memory, since all threads must agree. */
const IN_SHORT: usize = memory.data<i32>([0]);

/**
 * Selects whether products of codes below 16 are summed in 16 bits before they are widened (1), or four at a time (0).
 * The bits of results do not depend on it.
 */
export function setShortSums(inShort: i32): void {
  store<i32>(IN_SHORT, inShort);
}

// @ts-ignore: decorator
@inline
export function sumsInShort(): bool {
  return ASC_FEATURE_RELAXED_SIMD && load<i32>(IN_SHORT) != 0;
}
