import { loadPart, storePart } from "../simd/lanes";
import { unpackRow } from "../formats/dispatch/formats";

/** Returns the index of the first id outside 0..vocab-1, or -1. */
export function findBadId(ids: usize, count: i32, vocab: i32): i32 {
  for (let i = 0; i < count; i++) if (load<u32>(ids + (<usize>i << 2)) >= <u32>vocab) return i;
  return -1;
}

/** Copies the rows of the weight that the ids select. A row has `bytes` bytes. */
export function embedding(weight: usize, ids: usize, out: usize, count: i32, bytes: i32): void {
  for (; count > 0; count--) {
    memory.copy(out, weight + <usize>load<u32>(ids) * <usize>bytes, bytes);
    ids += 4;
    out += bytes;
  }
}

/** Converts the rows of a packed weight [.., width] that the ids select to f32. */
export function embeddingPacked(weight: usize, format: i32, ids: usize, out: usize, count: i32, width: i32): void {
  for (; count > 0; count--) {
    unpackRow(format, weight, load<i32>(ids) * width, width, out);
    ids += 4;
    out += <usize>width << 2;
  }
}

/** Adds each row of dy to the row of dweight that its id selects. */
export function embeddingBackward(dy: usize, ids: usize, dweight: usize, count: i32, width: i32): void {
  const bytes = <usize>width << 2;
  const zero = f32x4.splat(0);
  for (; count > 0; count--) {
    let row = dweight + <usize>load<u32>(ids) * bytes;
    for (let n = width; n > 0; n -= 4) {
      const at = <usize>(width - n) << 2;
      storePart(row + at, f32x4.add(loadPart(row + at, n, zero), loadPart(dy + at, n, zero)), n);
    }
    ids += 4;
    dy += bytes;
  }
}

/** Returns the integer at an address, for an error message. */
export function readI32(p: usize): i32 {
  return load<i32>(p);
}
