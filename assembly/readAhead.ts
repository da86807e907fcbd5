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
