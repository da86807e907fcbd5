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
];
