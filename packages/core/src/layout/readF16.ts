import { f16ToF32 } from "./half.ts";

let table: Float32Array | undefined;

/**
 * Every f16 code's value: blocks hold their scales at odd places, where no typed array can look.
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

/** The f16 whose two bytes begin at `at`, as f32. */
export function readF16(bytes: Uint8Array, at: number): number {
  return f16Values()[bytes[at] | (bytes[at + 1] << 8)];
}
