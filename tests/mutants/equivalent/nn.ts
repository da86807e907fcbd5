import type { Equivalents } from "./equivalents.ts";

export const nn: Equivalents = [
  [
    "attention/packedDocuments.ts",
    "if (dropoutP === 0) return documentAttention(q, k, v, this.#starts, params);",
    "0",
    "1",
    "attention with a mask gives the same results",
  ],
  [
    "attention/pagedBatch.ts",
    "const widest = tables.reduce((most, table) => Math.max(most, table.length), 0);",
    "0",
    "1",
    "a wider table has no further pages",
  ],
];
