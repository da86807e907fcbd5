// Formats of 5 bits keep the fifth bits of 32 elements as a word, and the others as nibbles.

/** Returns bit `i` of the 32 that begin at `at`, as bit 4 of a number. */
export function fifthBit(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 3)] >> (i & 7)) & 1) << 4;
}

/**
 * Writes the codes of 32 elements at `at`, into bytes that were zero: their fifth bits, then nibbles; the low ones are
 * elements 0 to 15, the high ones 16 to 31.
 */
export function putFiveBits(blocks: Uint8Array, at: number, codeOf: (i: number) => number): void {
  for (let i = 0; i < 16; i++) {
    const [low, high] = [codeOf(i), codeOf(i + 16)];
    blocks[at + 4 + i] = (low & 15) | ((high & 15) << 4);
    blocks[at + (i >> 3)] |= (low >> 4) << (i & 7);
    blocks[at + 2 + (i >> 3)] |= (high >> 4) << (i & 7);
  }
}
