import type { Scratch, WasmTensor } from "../backend.ts";
import type { Kernels } from "../kernels.gen.ts";

/** Bytes of a row of the kernels' table of arrays. */
const rowBytes = 24;

/**
 * Writes the table of arrays from which a kernel goes through many of them in one call, and counts their blocks. A row
 * is one to four tensors of one size.
 */
export function writeSegments(
  k: Kernels,
  rows: readonly (readonly WasmTensor[])[],
  scratch: Scratch,
): { table: number; blocks: number } {
  const table = scratch(rowBytes * rows.length);
  let blocks = 0;
  for (const [i, [a, b, c, d]] of rows.entries()) {
    blocks = k.setSegment(table, i, a.size, a.ptr, b?.ptr ?? 0, c?.ptr ?? 0, d?.ptr ?? 0);
  }
  return { table, blocks };
}
