import { f16ToF32 } from "./half.ts";

let table: Float32Array | undefined;

/** Returns the f32 value of every f16 code. Blocks store f16 scales at odd offsets, which a Uint16Array cannot read. */
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

/** Returns the f16 in the two bytes from `at` on, as f32. */
export function readF16(bytes: Uint8Array, at: number): number {
  return f16Values()[bytes[at] | (bytes[at + 1] << 8)];
}
