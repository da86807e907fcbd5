import { textAfter } from "../../tokenizer/streamDecoder.ts";
import { type GenerateOptions, generationSettings } from "../settings/settings.ts";
import { readStops, stopTest } from "../settings/stops.ts";
import type { Decoding } from "./decoding.ts";
import { type GenerativeModel, generationSteps, languageModel, repeated } from "./steps.ts";

/**
 * Continues each prompt (a non-empty list of token ids) and returns the new tokens of each. All prompts run as one
 * batch; shorter prompts are padded on the left and masked. Tokens are chosen on the model's backend, so each step
 * reads back only one token per prompt.
 */
export async function generate(
  model: GenerativeModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<number[][]> {
  checkPrompts(prompts);
  const causal = languageModel(model);
  const settings = await generationSettings(options, causal);
  const { stop, stopStrings, tokenizer } = settings;
  const stops = stopTest(readStops(stop, stopStrings), tokenizer && textAfter(tokenizer));
  const steps = generationSteps(causal, prompts, settings, (_, tokens, prompt) => stops(prompt, tokens));
  let last: Decoding | undefined;
  for await (const decoding of steps) last = decoding;
  return last?.outputs ?? repeated(prompts, settings.numReturnSequences).map(() => []);
}

/** Throws if `prompts` is not a list of lists of token ids. */
function checkPrompts(prompts: unknown): void {
  const advice = "prompts are lists of token ids, as in [tokenizer.encode(text)], and generateText takes a text";
  if (!Array.isArray(prompts)) throw new Error(`generate: ${advice}; ${typeof prompts} was given`);
  if (typeof prompts[0] === "number") throw new Error("generate: the ids of one prompt were given; write [ids]");
  const other = prompts.findIndex((prompt) => !(Array.isArray(prompt) || ArrayBuffer.isView(prompt)));
  if (other >= 0) throw new Error(`generate: ${advice}; prompt ${other} is ${typeof prompts[other]}`);
}
