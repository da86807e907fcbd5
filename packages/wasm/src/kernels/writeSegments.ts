import type { Scratch, WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Size in bytes of an entry in the table of arrays. */
const rowBytes = 24;

/**
 * Writes the table with which a kernel processes many arrays in one call. Each entry lists `size` (1 to 4) consecutive
 * tensors of equal length, such as a parameter and its gradient. Returns the total number of 1024-element blocks.
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
