import { checkOptions, type OptionKeys, type SamplingOptions, samplingKeys } from "@lowrank/core";
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
   * Sequences that are followed at once for each prompt. With `doSample` their continuations are
   * drawn, without replacement. Default 1: no beams.
   */
  numBeams?: number;
  /**
   * A beam's score is divided by its length to this power: above 0 favours long ones. Default 1.
   */
  lengthPenalty?: number;
  /**
   * True ends a prompt's search once it has `numBeams` finished sequences; false when a better one
   * is unlikely; "never" when none can be. Default false.
   */
  earlyStopping?: boolean | "never";
  /**
   * Sequences for each prompt, which follow each other in the result: the best of the beams, or
   * without beams as many draws. Default 1.
   */
  numReturnSequences?: number;
}

/**
 * Settings of `generate`. What is not given here comes from the model's `generationConfig`, as in
 * transformers.
 */
export interface GenerateOptions extends SamplingOptions, PenaltyOptions, BanOptions, BeamOptions, StopOptions {
  /** Stands in the place of the model's own; null for none. */
  generationConfig?: GenerationConfig | null;
  /** The most tokens to add. Default: as many as the model has positions for. */
  maxNewTokens?: number;
  /** Draw tokens by their probability instead of taking the likeliest. Default false. */
  doSample?: boolean;
  /**
   * Functions that change the logits after penalties and bans, one after the other. The logits of
   * every step are read from the backend for them. With beams they get log-probabilities.
   */
  logitsProcessors?: readonly LogitsProcessor[];
  /** Tokens that end a sequence; they are part of the result. Default: none. */
  eosTokenIds?: readonly number[];
  /** Of the random numbers behind `doSample`. Default 0. */
  seed?: number;
  /** Called with each new token and the row it belongs to. */
  onToken?: (token: number, row: number) => void;
  /** Keeps the keys and values of the one sequence for the next call. */
  promptCache?: PromptCache;
  /** Reads the texts of `stop` and `stopStrings`. */
  tokenizer?: Tokenizer;
  /** Ends the generation after one token more at most, with its reason, usually an AbortError. */
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

/** The options with defaults in the place of those that are not given. */
export type GenerationSettings = Omit<GenerateOptions, keyof typeof defaults | "generationConfig"> &
  Readonly<typeof defaults> & { readonly generationConfig: GenerationConfig | null };

/** Options that act only beside others. */
const dependent = ["temperature", "topK", "topP", "minP", "lengthPenalty", "earlyStopping"] as const;

/**
 * Returns the options, then the settings of the generation config, then defaults. Throws for
 * options that do not exist or would have no effect beside the others, and for beams out of their
 * range.
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

/** The settings that a generation config has. */
function advised(config: GenerationConfig | null): Partial<GenerateOptions> {
  if (!config) return {};
  // The most new tokens depend on the prompts too; the other two are not settings of `generate`.
  const { maxNewTokens: _, maxLength: __, bosTokenId: ___, padTokenId: ____, eosTokenIds, ...settings } = config;
  const named = Object.entries({ ...settings, eosTokenIds: eosTokenIds.length > 0 ? eosTokenIds : null });
  return Object.fromEntries(named.filter(([, value]) => value !== null));
}
