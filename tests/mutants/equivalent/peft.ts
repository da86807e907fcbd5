import type { Equivalents } from "./equivalents.ts";

export const peft: Equivalents = [
  [
    "methods/orthogonal/oft.ts",
    "if (wanted >= features) return features;",
    ">=",
    ">",
    "for equal values the search begins with `wanted`, which divides `features`",
  ],
  [
    "random/torchGenerator.ts",
    "y ^= (y << 15) & 0xefc60000;",
    "0xefc60000",
    "4022730753",
    "the lowest bit of a value that is shifted left by 15 is 0",
  ],
];
