// The width of sums of products of bytes with codes below 16.

/**
 * Flag that is not 0 if products of 4-bit codes are first added in 16-bit lanes (see `setShortSums`). It is in shared
 * memory, so that all threads use the same value.
 */
const IN_SHORT: usize = memory.data<i32>([0]);

/**
 * Sets how products with codes below 16 are summed first: in 16 bits (1), or four products at a time in 32 bits (0).
 * Results are the same to the bit; only the speed differs.
 */
export function setShortSums(inShort: i32): void {
  store<i32>(IN_SHORT, inShort);
}

// @ts-ignore: decorator
@inline
export function sumsInShort(): bool {
  return ASC_FEATURE_RELAXED_SIMD && load<i32>(IN_SHORT) != 0;
}
