import { textAfter } from "../tokenizer/streamDecoder.ts";
import { checkPrompts } from "./checkPrompts.ts";
import type { Decoding } from "./decoding.ts";
import { type GenerateOptions, generationSettings } from "./settings.ts";
import { type GenerativeModel, generationSteps, languageModel, repeated } from "./steps.ts";
import { readStops, stopTest } from "./stops.ts";

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
