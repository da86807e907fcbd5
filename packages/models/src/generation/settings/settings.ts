import type { SamplingOptions } from "@lowrank/core";
import { checkOptions, samplingKeys } from "@lowrank/core/internal";
import type { GenerationConfig } from "../../config/generationConfig.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { BanOptions } from "./bans.ts";
import type { PenaltyOptions } from "./penalties.ts";
import type { LogitsProcessor } from "./processing.ts";
import type { PromptCache } from "./promptCache.ts";
import type { StopOptions } from "./stops.ts";

/** Settings of beam search, as in transformers. */
export interface BeamOptions {
  /**
   * Number of beams for each prompt. With `doSample`, continuations are sampled without replacement. Default 1: no beam
   * search.
   */
  numBeams?: number;
  /**
   * The total log-probability of a beam is divided by its length raised to this power. Values above 0 favour long
   * sequences. Default 1.
   */
  lengthPenalty?: number;
  /**
   * Condition for ending the search for a prompt once `numBeams` sequences are finished. True: the search ends at once.
   * False: it ends when a better sequence is unlikely. "never": it ends when a better sequence is impossible. Default
   * false.
   */
  earlyStopping?: boolean | "never";
  /**
   * Number of sequences to return per prompt, next to each other in the result. With beam search these are the best
   * beams, otherwise separate samples. Default 1.
   */
  numReturnSequences?: number;
}

/** Settings of `generate`. Options that are not given come from the model's `generationConfig`, as in transformers. */
export interface GenerateOptions extends SamplingOptions, PenaltyOptions, BanOptions, BeamOptions, StopOptions {
  /** Settings to use instead of the model's generation config; null for no defaults from a config. */
  generationConfig?: GenerationConfig | null;
  /**
   * Maximum number of new tokens. Default: `maxNewTokens` or `maxLength` of the generation config. If neither is set:
   * as many as fit in the model's positions.
   */
  maxNewTokens?: number;
  /** Samples tokens by their probability instead of taking the most likely one. Default false. */
  doSample?: boolean;
  /**
   * Functions that change the logits, called in order after penalties and bans. If there are any, each step reads all
   * logits from the backend. With beam search they receive log-probabilities.
   */
  logitsProcessors?: readonly LogitsProcessor[];
  /**
   * Tokens that end a sequence, and are included in the result. Default: the EOS tokens of the generation config, or
   * none if it has none.
   */
  eosTokenIds?: readonly number[];
  /** Seed of the random generator for `doSample`. Default 0. */
  seed?: number;
  /** Called with each new token and the index of its sequence. */
  onToken?: (token: number, row: number) => void;
  /**
   * The task of each prompt, for multitask prompt tuning and Poly. Required if the active adapter has several tasks.
   */
  taskIds?: readonly number[];
  /**
   * Cache that keeps keys and values after the call. A later call whose prompt begins with the same tokens reuses them.
   */
  promptCache?: PromptCache;
  /** Tokenizer for decoding tokens. Required if `stop` or `stopStrings` contains texts. */
  tokenizer?: Tokenizer;
  /**
   * Aborts generation, after at most one more token. The promise rejects with the signal's reason, by default an
   * AbortError.
   */
  signal?: AbortSignal;
}

const defaults = {
  doSample: false,
  numBeams: 1,
  lengthPenalty: 1,
  earlyStopping: false as boolean | "never",
  numReturnSequences: 1,
  eosTokenIds: [] as readonly number[],
  seed: 0,
};

/** The options of `generate`, with defaults filled in. */
export type GenerationSettings = Omit<GenerateOptions, keyof typeof defaults | "generationConfig"> &
  Readonly<typeof defaults> & { readonly generationConfig: GenerationConfig | null };

/** Options that have an effect only together with `doSample` or beam search. */
const dependent = ["temperature", "topK", "topP", "minP", "lengthPenalty", "earlyStopping"] as const;

/**
 * Returns the options with missing ones filled in, from the generation config or else from the defaults. Throws for
 * unknown options and for beam options with invalid values. Also throws for an option that has no effect with the
 * others, such as `topK` without `doSample`.
 */
export async function generationSettings(options: GenerateOptions, model: CausalLM): Promise<GenerationSettings> {
  checkOptions("generate", options, {
    ...samplingKeys,
    ...({ repetitionPenalty: true, frequencyPenalty: true, presencePenalty: true } as const),
    ...({ noRepeatNgramSize: true, badWordsIds: true, suppressTokens: true, minNewTokens: true } as const),
    ...({ numBeams: true, lengthPenalty: true, earlyStopping: true, numReturnSequences: true } as const),
    ...({ stop: true, stopStrings: true, promptCache: true, generationConfig: true, maxNewTokens: true } as const),
    ...({ logitsProcessors: true, eosTokenIds: true, seed: true, onToken: true, tokenizer: true } as const),
    ...({ doSample: true, signal: true, taskIds: true } as const),
  });
  const { generationConfig = model.generationConfig } = options;
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: GenerationSettings = { ...defaults, ...advised(generationConfig), ...given, generationConfig };
  const counts = [settings.numBeams, settings.numReturnSequences];
  if (counts.some((count) => count !== 1) || dependent.some((name) => options[name] !== undefined)) {
    const { checkSettings } = await import("./checkSettings.ts");
    checkSettings(options, settings);
  }
  return settings;
}

/** Returns the settings of a generation config that are also options of `generate`, without null values. */
function advised(config: GenerationConfig | null): Partial<GenerateOptions> {
  if (!config) return {};
  // `newTokens` uses maxNewTokens and maxLength with the prompts' length; bosTokenId and padTokenId are not options of
  // `generate`.
  const { maxNewTokens: _, maxLength: __, bosTokenId: ___, padTokenId: ____, eosTokenIds, ...settings } = config;
  const named = Object.entries({ ...settings, eosTokenIds: eosTokenIds.length > 0 ? eosTokenIds : null });
  return Object.fromEntries(named.filter(([, value]) => value !== null));
}
