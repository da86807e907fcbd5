import type { TensorLayout } from "./ggufForm.ts";

/** Facts of a layout that say where rows lie. */
type RowOrder = Pick<TensorLayout, "heads" | "joined">;

/**
 * Returns the rows of a tensor in the order of GGUF. Hugging Face turns row j of a head with row
 * j + d/2, llama.cpp row 2j with row 2j + 1. `bytes` are `rows` rows in any encoding.
 */
export function inFileOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [to, from]);
}

/** Undoes `inFileOrder`. */
export function inModelOrder(bytes: Uint8Array, rows: number, order: RowOrder): Uint8Array {
  return reordered(bytes, rows, order, (to, from) => [from, to]);
}

/** Copies row by row; `turn` says of a row's places in file and model to which and from which. */
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

/** Returns the place in the file of the model's row i; nothing where they are the same. */
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
