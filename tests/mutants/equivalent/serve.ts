import type { Equivalents } from "./equivalents.ts";

export const serve: Equivalents = [
  [
    "engine/readSettings.ts",
    "tokenProbabilities([0], { temperature: temperature || 1, topK, topP, minP });",
    "0",
    "1",
    "the only token has probability 1, whatever its logit is",
  ],
  [
    "engine/readSettings.ts",
    "tokenProbabilities([0], { temperature: temperature || 1, topK, topP, minP });",
    "1",
    "2",
    "the only token has probability 1 at any temperature",
  ],
];
