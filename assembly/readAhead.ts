// Reads that bring memory into the cache before it is used: many at once, where a loop over the
// numbers themselves would wait for each. WebAssembly has no other way to ask for it.

/** Bytes of a line of the cache. */
const LINE: usize = 64;

/** Reads from each line up to `end`. The answer is only to keep the reads: store it somewhere. */
// @ts-ignore: decorator
@inline
export function readLines(from: usize, end: usize): i32 {
  let any = 0;
  for (; from < end; from += LINE) any |= load<u8>(from);
  return any;
}

/**
 * Reads four pieces of memory by turns. A core has more reads under way for several streams than
 * for one. The answer is only to keep the reads, as that of `readLines`.
 */
export function readFour(
  a: usize, aBytes: usize, b: usize, bBytes: usize, c: usize, cBytes: usize, d: usize, dBytes: usize,
): i32 {
  const shortest = min(min(aBytes, bBytes), min(cBytes, dBytes));
  const longest = max(max(aBytes, bBytes), max(cBytes, dBytes));
  const aEnd = a + max(1, aBytes) - 1;
  const bEnd = b + max(1, bBytes) - 1;
  const cEnd = c + max(1, cBytes) - 1;
  const dEnd = d + max(1, dBytes) - 1;
  let any = 0;
  let i: usize = 0;
  for (; i < shortest; i += LINE) {
    any |= load<u8>(a + i) | load<u8>(b + i) | load<u8>(c + i) | load<u8>(d + i);
  }
  for (; i < longest; i += LINE) {
    any |= load<u8>(min(a + i, aEnd)) | load<u8>(min(b + i, bEnd)) | load<u8>(min(c + i, cEnd)) | load<u8>(min(d + i, dEnd));
  }
  return any;
}
