import { f16ToF32 } from "./half.ts";

let table: Float32Array | undefined;

/**
 * Returns a table with the f32 value of each of the 65536 f16 codes. A Uint16Array cannot read the scales of blocks,
 * because some are at odd offsets.
 */
function f16Values(): Float32Array {
  if (!table) {
    table = new Float32Array(1 << 16);
    f16ToF32(
      Uint16Array.from(table, (_, code) => code),
      table,
    );
  }
  return table;
}

/** Reads the f16 in the two bytes from `at` on. Returns it as a number. */
export function readF16(bytes: Uint8Array, at: number): number {
  return f16Values()[bytes[at] | (bytes[at + 1] << 8)];
}
