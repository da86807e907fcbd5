// Floats as 8-bit codes, with a scale for each block.
import { roundToCodes } from "./nearestCode";

/**
 * Quantises n floats to 8-bit codes, with one scale per block. `table` holds the values of the codes in ascending
 * order. Returns the index of the first block with a NaN or an infinity, or -1 if there is none.
 */
export function quantizeBlockwise(x: usize, n: i32, blockSize: i32, table: usize, codes: usize, absmax: usize): i32 {
  for (let from = 0, block = 0; from < n; from += blockSize, block++) {
    const scale = roundToCodes(x + (<usize>from << 2), table, min(blockSize, n - from), codes + <usize>from, false);
    if (!(scale < <f32>Infinity)) return block;
    store<f32>(absmax + (<usize>block << 2), scale);
  }
  return -1;
}

/** Dequantises 8-bit codes: writes the table's value of each code times the scale of its block. */
export function dequantizeBlockwise(codes: usize, n: i32, blockSize: i32, table: usize, absmax: usize, out: usize): void {
  for (let from = 0, block = 0; from < n; from += blockSize, block++) {
    const scale = load<f32>(absmax + (<usize>block << 2));
    for (let i = from; i < min(from + blockSize, n); i++) {
      const code = <usize>load<u8>(codes + <usize>i);
      store<f32>(out + (<usize>i << 2), load<f32>(table + (code << 2)) * scale);
    }
  }
}
