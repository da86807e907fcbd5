// Blocks of 256 elements lie in groups that have 6-bit scales of their own below an f16. A group's
// scale and minimum are exact in f32, and so is scale times q; the last operation rounds once.

/**
 * Returns the 6-bit scale (`part` 0) or minimum (`part` 4) of group 0..7, packed
 * in the 12 bytes at `at`.
 */
export function sixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number): number {
  const own = blocks[at + part + (group & 3)];
  if (group < 4) return own & 63;
  const shared = blocks[at + 8 + (group & 3)];
  return (part === 0 ? shared & 15 : shared >> 4) | ((own >> 2) & 48);
}
