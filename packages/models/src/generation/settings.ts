import type { SamplingOptions } from "@lowrank/core";
import { checkOptions, type OptionKeys, samplingKeys } from "@lowrank/core/internal";
import type { GenerationConfig } from "../config/generationConfig.ts";
import type { CausalLM } from "../model/causalLM.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
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
  /** Exponent of the length by which a beam's score is divided. Values above 0 favour long sequences. Default 1. */
  lengthPenalty?: number;
  /**
   * Condition that ends a prompt's search. True: as soon as there are `numBeams` finished sequences. False: if a better
   * one is unlikely. "never": only if a better one is impossible. Default false.
   */
  earlyStopping?: boolean | "never";
  /**
   * Number of sequences returned per prompt, next to each other in the result: the best beams, or as many samples
   * without beams. Default 1.
   */
  numReturnSequences?: number;
}

/** Settings of `generate`. Options that are not given come from the model's `generationConfig`, as in transformers. */
export interface GenerateOptions extends SamplingOptions, PenaltyOptions, BanOptions, BeamOptions, StopOptions {
  /** Replaces the model's own generation config; null for none. */
  generationConfig?: GenerationConfig | null;
  /**
   * Maximum number of new tokens. Default: `maxNewTokens` or `maxLength` of the generation config, else as many as the
   * model has positions for.
   */
  maxNewTokens?: number;
  /** Samples tokens by their probability instead of taking the most likely one. Default false. */
  doSample?: boolean;
  /**
   * Functions that change the logits after penalties and bans, called in order. They require reading the logits of
   * every step from the backend. With beam search they receive log-probabilities.
   */
  logitsProcessors?: readonly LogitsProcessor[];
  /** Tokens that end a sequence; they are included in the result. Default: the generation config's, else none. */
  eosTokenIds?: readonly number[];
  /** Seed of the random generator for `doSample`. Default 0. */
  seed?: number;
  /** Called with each new token and the index of its row. */
  onToken?: (token: number, row: number) => void;
  /** Reuses keys and values of one sequence across calls. */
  promptCache?: PromptCache;
  /** Tokenizer for the texts of `stop` and `stopStrings`. */
  tokenizer?: Tokenizer;
  /** Aborts generation after at most one more token. It rejects with the signal's reason, usually an AbortError. */
  signal?: AbortSignal;
}

const generateKeys: OptionKeys<GenerateOptions> = {
  ...samplingKeys,
  ...({ repetitionPenalty: true, frequencyPenalty: true, presencePenalty: true } as const),
  ...({ noRepeatNgramSize: true, badWordsIds: true, suppressTokens: true, minNewTokens: true } as const),
  ...({ numBeams: true, lengthPenalty: true, earlyStopping: true, numReturnSequences: true } as const),
  ...({
    stop: true,
    stopStrings: true,
    promptCache: true,
    generationConfig: true,
    maxNewTokens: true,
    doSample: true,
  } as const),
  ...({ logitsProcessors: true, eosTokenIds: true, seed: true, onToken: true, tokenizer: true, signal: true } as const),
};

const defaults = {
  doSample: false,
  numBeams: 1,
  lengthPenalty: 1,
  earlyStopping: false as boolean | "never",
  numReturnSequences: 1,
  eosTokenIds: [] as readonly number[],
  seed: 0,
};

/** The options with defaults filled in. */
export type GenerationSettings = Omit<GenerateOptions, keyof typeof defaults | "generationConfig"> &
  Readonly<typeof defaults> & { readonly generationConfig: GenerationConfig | null };

/** Options that have an effect only in combination with others. */
const dependent = ["temperature", "topK", "topP", "minP", "lengthPenalty", "earlyStopping"] as const;

/**
 * Returns the options, completed by the generation config and then by defaults. Throws for unknown options, for options
 * without effect in combination with the others, and for beam options out of their range.
 */
export async function generationSettings(options: GenerateOptions, model: CausalLM): Promise<GenerationSettings> {
  checkOptions("generate", options, generateKeys);
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

/** Returns the settings of a generation config that are options of `generate`. */
function advised(config: GenerationConfig | null): Partial<GenerateOptions> {
  if (!config) return {};
  // The maximum number of new tokens also depends on the prompts; the other two are not settings of `generate`.
  const { maxNewTokens: _, maxLength: __, bosTokenId: ___, padTokenId: ____, eosTokenIds, ...settings } = config;
  const named = Object.entries({ ...settings, eosTokenIds: eosTokenIds.length > 0 ? eosTokenIds : null });
  return Object.fromEntries(named.filter(([, value]) => value !== null));
}
