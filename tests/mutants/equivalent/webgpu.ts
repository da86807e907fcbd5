import type { Equivalents } from "./equivalents.ts";

export const webgpu: Equivalents = [
  [
    "kernel/pool.ts",
    "if (bytes <= smallest) return smallest;",
    "<=",
    "<",
    "256 bytes are four steps of 64, the least step",
  ],
  ["kernel/pool.ts", "#peak = 0;", "0", "1", "the first block has 256 bytes at least"],
  [
    "selfCheck/selfCheck.ts",
    "return this.#refused.size > 0 && this.#refused.has(kindOf(op, inputs));",
    ">",
    ">=",
    "an empty set has no kind",
  ],
  ["selfCheck/selfCheck.ts", "let state = 1;", "1", "2", "another seed draws other values of the same kind"],
  [
    "selfCheck/selfCheck.ts",
    "state = (Math.imul(state, 1664525) + 1013904223) >>> 0;",
    "+",
    "-",
    "another generator draws other values of the same kind",
  ],
  [
    "selfCheck/selfCheck.ts",
    "const bytes = Uint8Array.from({ length: byteLength(spec) }, () => Math.floor(256 * next()));",
    "256",
    "257",
    "256 is stored as 0",
  ],
  [
    "selfCheck/selfCheck.ts",
    "for (let at = 0; at < bytes.length; at += block.bytes) {",
    "<",
    "<=",
    "a write past the end of a typed array does nothing",
  ],
  [
    "kernels/products/pieces.ts",
    "return rows >= 4 ? rows - (rows % 4) : rows;",
    ">=",
    ">",
    "both ways give four rows of four",
  ],
  [
    "kernels/indexing.ts",
    "const traversal = { sizes: [1, ...others(indices.shape)], strides: [from, to].map((list) => [0, ...others(list)]) };",
    "1",
    "2",
    "the stride of this dimension is 0",
  ],
  [
    "kernels/products/pieces.ts",
    "return rows >= 4 ? rows - (rows % 4) : rows;",
    "4",
    "5",
    "both ways give four rows of four",
    { of: 2, listed: [1] },
  ],
];
