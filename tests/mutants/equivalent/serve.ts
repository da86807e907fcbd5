import type { Equivalents } from "./equivalents.ts";

export const serve: Equivalents = [
  ["engine/chooseTokens.ts", "const isToken = at.ge(0);", "0", "1", "token 0 is 0 either way"],
  [
    "engine/chooseTokens.ts",
    "const column = gather(all, where(isToken, at, 0), { dim: 1 });",
    "0",
    "1",
    "the value of a row without a token is not used",
  ],
  [
    "engine/chooseTokens.ts",
    "const parts = plain.length > 0 ? [argmaxTokens(rowsOf(logits, plain))] : [];",
    ">",
    ">=",
    "the tokens of no rows are none",
  ],
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
  [
    "http/routes/fineTuningJobs.ts",
    "settled: false,",
    "false",
    "true",
    "a job without an end is never settled; the answer is the same",
  ],
];
