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
  [
    "random/torchGenerator.ts",
    "y ^= (y << 7) & 0x9d2c5680;",
    "0x9d2c5680",
    "2636928641",
    "the lowest bits of a value that is shifted left by 7 are 0",
  ],
  [
    "random/torchGenerator.ts",
    "for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;",
    "<",
    "<=",
    "the last turn writes past the end of a typed array",
  ],
  [
    "random/torchGenerator.ts",
    "for (let i = 0; i < size; i++) {",
    "<",
    "<=",
    "the last turn writes past the end of a typed array",
  ],
  [
    "methods/vectors/vbloraForm.ts",
    "for (let lane = 0; lane < size / numVectors; lane++) {",
    "<",
    "<=",
    "the last turn writes past the end of a typed array",
  ],
  [
    "methods/lora/subspaceSvd.ts",
    "const oversampling = 8;",
    "8",
    "9",
    "the number of extra directions is a tuning value",
  ],
  [
    "methods/lora/subspaceSvd.ts",
    "const random = randn([columns, width - (guess?.shape[0] ?? 0)], { generator: new Generator(42), backend });",
    "42",
    "43",
    "the iteration finds the same vectors from any random directions",
  ],
  [
    "methods/lora/subspaceSvd.ts",
    "rows.set(largest < 0 ? row.map((value) => -value) : row, k * columns);",
    "<",
    "<=",
    "only a row of zeros has no largest entry",
  ],
  [
    "methods/lora/orthogonalStart.ts",
    "generator.fillNormal(square, 0, 1);",
    "1",
    "2",
    "QR does not depend on the scale",
  ],
];
