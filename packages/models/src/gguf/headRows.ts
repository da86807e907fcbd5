import type { TensorLayout } from "./ggufForm.ts";

/** The fields of a layout that determine the order of rows. */
type RowOrder = Pick<TensorLayout, "heads" | "joined">;

/**
 * Returns the rows of a tensor in GGUF's order. Within a head of d rows, Hugging Face rotates row j with row j + d/2,
 * and llama.cpp row 2j with row 2j + 1. `bytes` has `rows` rows of equal length in any encoding.
 */
export function inFileOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [to, from]);
}

/** Returns the rows of a tensor in Hugging Face's order, the inverse of `inFileOrder`. */
export function inModelOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [from, to]);
}

/** Copies rows. `turn` returns the target and source index for a row's index in the file and in the model. */
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

/** Returns a function from a row's index in the model to its index in the file; undefined if the orders are equal. */
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
