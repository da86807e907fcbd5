// Formats of 5 bits store the fifth bits of 32 elements as a word, and the other four bits as nibbles.

/** Returns the fifth bit of element `i`, from the 32 bits at byte `at`, as 0 or 16. */
export function fifthBit(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 3)] >> (i & 7)) & 1) << 4;
}

/**
 * Writes the 5-bit codes of 32 elements from byte `at` on, where all bytes must be zero: first the fifth bits, then the
 * low four bits as nibbles (low nibbles for elements 0 to 15, high nibbles for 16 to 31).
 */
export function putFiveBits(blocks: Uint8Array, at: number, codeOf: (i: number) => number): void {
  for (let i = 0; i < 16; i++) {
    const [low, high] = [codeOf(i), codeOf(i + 16)];
    blocks[at + 4 + i] = (low & 15) | ((high & 15) << 4);
    blocks[at + (i >> 3)] |= (low >> 4) << (i & 7);
    blocks[at + 2 + (i >> 3)] |= (high >> 4) << (i & 7);
  }
}
