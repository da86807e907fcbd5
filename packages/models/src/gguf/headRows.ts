import type { TensorLayout } from "./ggufForm.ts";

/** The fields of a layout that determine the order of a tensor's rows in the file. */
type RowOrder = Pick<TensorLayout, "heads" | "joined">;

/**
 * Reorders the rows of a tensor from Hugging Face's order to GGUF's. Rotary embeddings rotate pairs of a head's d rows.
 * Hugging Face pairs row j with row j + d/2, and llama.cpp pairs row 2j with row 2j + 1. `bytes` has `rows` rows of
 * equal length, in any encoding.
 */
export function inFileOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [to, from]);
}

/** Puts the rows of a tensor into Hugging Face's order; the inverse of `inFileOrder`. */
export function inModelOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [from, to]);
}

/**
 * Copies rows from the file's order to the model's order, or back. Calls `turn` for each row with the row's index in
 * the file and its index in the model. `turn` returns these two indices as [index to write to, index to read from].
 */
function reordered(
  bytes: Uint8Array,
  rows: number,
  order: RowOrder,
  turn: (inFile: number, inModel: number) => readonly [to: number, from: number],
): Uint8Array {
  const place = placesOf(rows, order);
  if (!place) return bytes;
  const out = new Uint8Array(bytes.length);
  const row = bytes.length / rows;
  for (let i = 0; i < rows; i++) {
    const [to, from] = turn(place(i), i);
    out.set(bytes.subarray(from * row, (from + 1) * row), to * row);
  }
  return out;
}

/**
 * Returns a function that converts a row's index in the model to its index in the file; undefined if the orders are
 * equal.
 */
function placesOf(rows: number, { heads, joined }: RowOrder): ((i: number) => number) | undefined {
  if (heads !== undefined) {
    const size = rows / heads;
    const half = size / 2;
    return (i) => {
      const j = i % size;
      return i - j + 2 * (j % half) + Math.floor(j / half);
    };
  }
  if (joined === undefined) return undefined;
  const size = rows / joined / 3;
  return (i) => {
    const [head, part] = [Math.floor(i / (3 * size)), Math.floor(i / size) % 3];
    return (part * joined + head) * size + (i % size);
  };
}

/** Returns the transpose of a row-major matrix [rows, columns]. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j];
  }
  return out;
}
