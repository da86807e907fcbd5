/** Returns bit `i` of the 32 that begin at `at`, as bit 4 of a number. */
export function fifthBit(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 3)] >> (i & 7)) & 1) << 4;
}
