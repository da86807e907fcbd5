import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type CausalLM, type GenerativeModel, generate, type Tokenizer } from "@lowrank/models";
import { type MatcherResult, result } from "./matcher.ts";

/** Options of `toGenerateSameTokens`. */
export interface SameTokensOptions {
  /** Prompts as lists of token ids. */
  prompts: readonly (readonly number[])[];
  /** Number of tokens to generate for each prompt. Default: 16. */
  maxNewTokens?: number;
  /** Tokenizer for texts in the message. Default: the message has token ids only. */
  tokenizer?: Tokenizer;
}

/**
 * Passes if two models continue all prompts with the same tokens, without sampling. The message names the first prompt
 * and the first position at which the tokens differ.
 */
export async function toGenerateSameTokens(
  received: GenerativeModel,
  expected: GenerativeModel,
  options: SameTokensOptions,
): Promise<MatcherResult> {
  checkOptions("toGenerateSameTokens", options, { prompts: true, maxNewTokens: true, tokenizer: true });
  const { prompts, maxNewTokens = 16, tokenizer } = options;
  for (const [name, model] of Object.entries({ received, expected })) {
    const base: unknown = model && "baseModel" in model ? model.baseModel : model;
    if (typeof (base as Partial<CausalLM> | null)?.createCache === "function") continue;
    const problem = "is no model that generates; give a language model, or a PeftModel of one";
    throw new OptionError("toGenerateSameTokens", name, model, problem);
  }
  if (!prompts?.length) {
    throw new OptionError("toGenerateSameTokens", "prompts", prompts, "is empty; give lists of token ids");
  }
  const settings = { maxNewTokens, doSample: false, eosTokenIds: [], generationConfig: null };
  const found = await generate(received, prompts, settings);
  const wanted = await generate(expected, prompts, settings);
  const shown = (token: number) => (tokenizer ? `${token} ${JSON.stringify(tokenizer.decode([token]))}` : `${token}`);
  for (const [i, tokens] of wanted.entries()) {
    const at = tokens.findIndex((token, t) => token !== found[i][t]);
    if (at < 0) continue;
    const message = `expected the same tokens; prompt ${i} differs from new token ${at}: received ${shown(found[i][at])}, expected ${shown(tokens[at])}, after ${at} equal tokens`;
    return result(false, message, "");
  }
  return result(true, "", `expected other tokens, and all ${prompts.length} prompts have equal continuations`);
}
