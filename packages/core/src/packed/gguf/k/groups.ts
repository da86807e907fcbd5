import { readF16 } from "../../../layout/half.ts";
import type { ScaleWriter } from "../scaleWriter.ts";
import { nearestInt } from "./nearestInt.ts";
import { groupSize, type ScaleAndMinimum, type ScaleSearch, scaleAndMinimum } from "./scaleAndMinimum.ts";

// A block has 256 elements in 8 groups of 32. The value of code q in a group is d s q - dmin m. A block begins with d
// and dmin as f16, followed by 12 bytes with the 6-bit s and m of each group. Both products are exact in f32, and so is
// (d s) q; only the difference is rounded.

const { fround } = Math;
const groups = 8;
const codes = new Uint8Array(groups * groupSize);

const codesOf = (group: number): Uint8Array => codes.subarray(group * groupSize).subarray(0, groupSize);

/**
 * Returns the 6-bit code of `part`, the scale or the minimum of a group: `part` times `inverse`, rounded, and at most
 * 63.
 */
function partCode(inverse: number, part: number): number {
  return Math.min(63, nearestInt(fround(inverse * part)) & 255);
}

/**
 * Writes the start of a block (d, dmin, and the 6-bit scales and minima of its groups) at byte `at`, where all bytes
 * must be zero. Returns the codes of the block's 256 values, in an array that the next call overwrites.
 */
export function packGroups(
  values: Float32Array,
  from: number,
  blocks: Uint8Array,
  at: number,
  scales: ScaleWriter,
  search: ScaleSearch,
): Uint8Array {
  const found: ScaleAndMinimum[] = [];
  for (let group = 0; group < groups; group++) {
    found.push(scaleAndMinimum(values.subarray(from + group * groupSize), codesOf(group), search));
  }
  const largest = Math.max(0, ...found.map(({ scale }) => scale));
  const deepest = Math.max(0, ...found.map(({ minimum }) => minimum));
  const [perScale, perMinimum] = [largest, deepest].map((most) => (most > 0 ? fround(63 / most) : 0));
  scales.write(fround(largest / 63), at);
  scales.write(fround(deepest / 63), at + 2);
  for (const [group, { scale, minimum }] of found.entries()) {
    putSixBits(blocks, at + 4, 0, group, partCode(perScale, scale));
    putSixBits(blocks, at + 4, 4, group, partCode(perMinimum, minimum));
  }
  for (let group = 0; group < groups; group++) {
    const { scale, minimum } = groupAt(blocks, at, group);
    // If the scale is rounded to zero, the codes found with the unrounded scale stay.
    if (scale === 0) continue;
    const own = codesOf(group);
    for (const i of own.keys()) {
      const above = fround(values[from + group * groupSize + i] + minimum);
      own[i] = Math.max(0, Math.min(search.most, nearestInt(fround(above / scale))));
    }
  }
  return codes;
}

/** Returns the scale and the minimum of a group, from the block at byte `at`. */
export function groupAt(blocks: Uint8Array, at: number, group: number): ScaleAndMinimum {
  return {
    scale: readF16(blocks, at) * sixBits(blocks, at + 4, 0, group),
    minimum: readF16(blocks, at + 2) * sixBits(blocks, at + 4, 4, group),
  };
}

// A block has 8 scales and 8 minima of 6 bits each, packed in 12 bytes. Groups 0 to 3 use the low six bits of the first
// eight bytes. Groups 4 to 7 use the nibbles of the last four bytes and the high bits of the first eight.

/** Reads the 6-bit scale (`part` 0) or minimum (`part` 4) of a group (0 to 7) from the 12 bytes at `at`. */
function sixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number): number {
  const own = blocks[at + part + (group & 3)];
  if (group < 4) return own & 63;
  const shared = blocks[at + 8 + (group & 3)];
  return (part === 0 ? shared & 15 : shared >> 4) | ((own >> 2) & 48);
}

/**
 * Writes the 6-bit scale (`part` 0) or minimum (`part` 4) of a group into the 12 bytes at `at`, where its bits are
 * still zero.
 */
function putSixBits(blocks: Uint8Array, at: number, part: 0 | 4, group: number, value: number): void {
  const own = at + part + (group & 3);
  if (group < 4) {
    blocks[own] |= value;
    return;
  }
  blocks[own] |= (value >> 4) << 6;
  blocks[at + 8 + (group & 3)] |= (value & 15) << part;
}
