import type { Scratch, WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Bytes of a row of the kernels' table of arrays. */
const rowBytes = 24;

/**
 * Writes the table of arrays with which a kernel processes many arrays in one call, and returns the number of their
 * blocks. A row consists of `size` (one to four) consecutive tensors with the same number of elements.
 */
export function writeSegments(
  k: Kernels,
  tensors: readonly WasmTensor[],
  size: number,
  scratch: Scratch,
): { table: number; blocks: number } {
  const rows = tensors.length / size;
  const table = scratch(rowBytes * rows);
  const at = (row: number, column: number): number => (column < size ? tensors[row * size + column].ptr : 0);
  let blocks = 0;
  for (let i = 0; i < rows; i++) {
    blocks = k.setSegment(table, i, tensors[i * size].size, at(i, 0), at(i, 1), at(i, 2), at(i, 3));
  }
  return { table, blocks };
}
