import { checkOptions, type OptionKeys, samplingKeys } from "@lowrank/core";
import type { GenerateOptions } from "./generate.ts";

const generateKeys: OptionKeys<GenerateOptions> = {
  ...samplingKeys,
  ...({ repetitionPenalty: true, frequencyPenalty: true, presencePenalty: true } as const),
  ...({ maxNewTokens: true, doSample: true, logitsProcessor: true, eosTokenIds: true, seed: true } as const),
  ...({ onToken: true, signal: true } as const),
};

/** Throws for options that `generate` does not have, and for prompts that are no lists of ids. */
export function checkGenerate(prompts: unknown, options: GenerateOptions): void {
  checkOptions("generate", options, generateKeys);
  const advice = "prompts are lists of token ids, as in [tokenizer.encode(text)], and generateText takes a text";
  if (!Array.isArray(prompts)) throw new Error(`generate: ${advice}; ${typeof prompts} was given`);
  if (typeof prompts[0] === "number") throw new Error("generate: the ids of one prompt were given; write [ids]");
  const other = prompts.findIndex((prompt) => !(Array.isArray(prompt) || ArrayBuffer.isView(prompt)));
  if (other >= 0) throw new Error(`generate: ${advice}; prompt ${other} is ${typeof prompts[other]}`);
}
