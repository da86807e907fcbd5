// Reads that bring memory into the cache before it is used: many at once, where a loop over the
// numbers themselves would wait for each. WebAssembly has no other way to ask for it.

/** Bytes of a line of the cache. */
export const LINE: usize = 64;

/** Reads from each line up to `end`. The answer is only to keep the reads: store it somewhere. */
// @ts-ignore: decorator
@inline
export function readLines(from: usize, end: usize): i32 {
  let any = 0;
  for (; from < end; from += LINE) any |= load<u8>(from);
  return any;
}

/**
 * Reads `count` pieces of memory by turns, a line of each. A core has more reads under way for many
 * short streams than for one. Piece i is in two words at `list` + i * `step`: its address, and its
 * bytes less one. The answer is only to keep the reads, as that of `readLines`.
 */
export function readByTurns(list: usize, step: usize, count: i32): i32 {
  const end = list + <usize>count * step;
  let longest: usize = 0;
  for (let piece = list; piece < end; piece += step) longest = max(longest, load<usize>(piece, 4));
  let any = 0;
  for (let i: usize = 0; i <= longest; i += LINE) {
    for (let piece = list; piece < end; piece += step) any |= load<u8>(load<usize>(piece) + min(i, load<usize>(piece, 4)));
  }
  return any;
}
