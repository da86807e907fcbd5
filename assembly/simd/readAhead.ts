// Reads that bring memory into the cache before it is used. They issue many reads at once, while a loop over the values
// would wait for each. WebAssembly lacks a prefetch instruction.

/** Bytes of a cache line. */
export const LINE: usize = 64;

/**
 * Reads a byte from each cache line between two addresses, which loads the lines into the cache. Store the result
 * somewhere, or the compiler may remove the reads.
 */
// @ts-ignore: decorator
@inline
export function readLines(from: usize, end: usize): i32 {
  let any = 0;
  for (; from < end; from += LINE) any |= load<u8>(from);
  return any;
}

/**
 * Loads `count` pieces of memory into the cache, one cache line of each in turn. This is fast because a core keeps more
 * reads in flight for many short streams than for one. Two words at `list` + i * `step` describe piece i: its address,
 * and its size in bytes minus one. Store the result somewhere, or the compiler may remove the reads.
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
