/**
 * Moves the rows of a query or key projection between the two kinds of rotary embedding: Hugging
 * Face turns row j of a head with row j + d/2, llama.cpp row 2j with row 2j + 1. `bytes` are `rows`
 * rows in any encoding; returns them in their new order.
 */
export function interleaveHeads(bytes: Uint8Array, rows: number, heads: number): Uint8Array<ArrayBuffer> {
  return reorder(bytes, rows, heads, (j, half) => 2 * (j % half) + Math.floor(j / half));
}

/** Undoes `interleaveHeads`. */
export function separateHeads(bytes: Uint8Array, rows: number, heads: number): Uint8Array<ArrayBuffer> {
  return reorder(bytes, rows, heads, (j, half) => (j % 2) * half + Math.floor(j / 2));
}

function reorder(
  bytes: Uint8Array,
  rows: number,
  heads: number,
  place: (row: number, half: number) => number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const [size, row] = [rows / heads, bytes.length / rows];
  for (let i = 0; i < rows; i++) {
    const to = i - (i % size) + place(i % size, size / 2);
    out.set(bytes.subarray(i * row, (i + 1) * row), to * row);
  }
  return out;
}
