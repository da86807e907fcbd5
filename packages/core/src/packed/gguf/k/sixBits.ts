// A block has 8 scales and 8 minima of 6 bits each, packed in 12 bytes. Groups 0 to 3 use the low six bits of the first
// eight bytes. Groups 4 to 7 use the nibbles of the last four bytes and the high bits of the first eight.

/** Reads the 6-bit scale (`part` 0) or minimum (`part` 4) of a group (0 to 7) from the 12 bytes at `at`. */
export function sixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number): number {
  const own = blocks[at + part + (group & 3)];
  if (group < 4) return own & 63;
  const shared = blocks[at + 8 + (group & 3)];
  return (part === 0 ? shared & 15 : shared >> 4) | ((own >> 2) & 48);
}

/**
 * Writes the 6-bit scale (`part` 0) or minimum (`part` 4) of a group into the 12 bytes at `at`, where its bits are
 * still zero.
 */
export function putSixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number, value: number): void {
  const own = at + part + (group & 3);
  if (group < 4) {
    blocks[own] |= value;
    return;
  }
  blocks[own] |= (value >> 4) << 6;
  blocks[at + 8 + (group & 3)] |= (value & 15) << part;
}
