import { tokenProbabilities } from "@lowrank/core/internal";
import type { Tokenizer } from "@lowrank/models";
import { checkPenalties, type PenaltySettings, readStops, type Stops } from "@lowrank/models/internal";
import { type SamplingSettings, ServingError, type ServingRequest } from "../../api/api.ts";
import { asInvalid, checkTokens, checkWhole, invalid, tooLong } from "./invalidRequest.ts";

/** Limits on requests to an engine. */
export interface RequestLimits {
  readonly vocabSize: number;
  /** Maximum number of tokens of a sequence: prompt and new tokens together. */
  readonly maxModelLen: number;
  /** Maximum value of `logprobs` and `promptLogprobs` in a request: the number of log-probabilities per token. */
  readonly maxLogprobs: number;
}

/** Validated settings of a request. */
export interface RequestSettings {
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
  readonly sampling: SamplingSettings & { readonly seed: number };
  readonly stops: Stops;
  /** Number of most probable tokens to return at each prompt position; null: no log-probabilities of the prompt. */
  readonly promptLogprobs: number | null;
  /** Settings that forbid tokens. Their `stopTokenIds` also contain the end-of-sequence tokens. */
  readonly bans: BanSettings;
}

/**
 * Reads and validates the settings of a request. Throws ServingError for an invalid setting, with the field's name and
 * value.
 */
export async function readSettings(
  request: ServingRequest,
  prompt: readonly number[],
  limits: RequestLimits,
  { tokenizer, eosTokenIds }: { readonly tokenizer: Tokenizer; readonly eosTokenIds: readonly number[] },
): Promise<RequestSettings> {
  const { sampling, logprobs, stop = [], stopTokenIds = [], minTokens = 0, priority, taskId } = request;
  const { vocabSize, maxLogprobs } = limits;
  const maxNewTokens = newTokens(request, prompt.length, limits);
  await asInvalid("sampling", () => {
    const { temperature, topK, topP, minP } = sampling;
    if (!(temperature >= 0 && temperature < Infinity)) {
      throw new Error(
        `temperature is ${temperature}; expected a number of at least 0; 0 always takes the most likely token`,
      );
    }
    // Samples from a single token to validate the settings with the code that passes use.
    tokenProbabilities([0], { temperature: temperature || 1, topK, topP, minP });
    checkPenalties(penaltiesOf(sampling));
  });
  const { seed = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER), logitBias = {} } = sampling;
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw invalid(`seed is ${seed}; expected a whole number from 0 to 2^53 - 1`, "seed");
  }
  checkTokens(Object.keys(logitBias).map(Number), limits.vocabSize, "logit_bias", "logit_bias");
  for (const [token, bias] of Object.entries(logitBias)) {
    if (Number.isFinite(Math.fround(bias))) continue;
    throw invalid(`logit_bias of token ${token} is ${bias}; expected a finite number`, "logit_bias");
  }
  checkWhole("logprobs", logprobs, 0, maxLogprobs);
  const promptLogprobs = promptLogprobsOf(request, limits);
  if (!(Number.isSafeInteger(minTokens) && minTokens >= 0 && minTokens <= maxNewTokens)) {
    const most = request.maxNewTokens === undefined ? "the room for new tokens" : "max_tokens";
    const expected = `expected a whole number from 0 to ${most}, which is ${maxNewTokens}`;
    throw invalid(`min_tokens is ${minTokens}; ${expected}`, "min_tokens");
  }
  checkWhole("task_id", taskId, 0, Number.MAX_SAFE_INTEGER);
  checkWhole("priority", priority, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkTokens(stopTokenIds, vocabSize, "stop_token_ids", "stop_token_ids");
  const { allowedTokenIds, badWords: words = [] } = sampling;
  if (allowedTokenIds?.length === 0) {
    throw invalid("allowed_token_ids is empty; give at least one id, or leave it out", "allowed_token_ids");
  }
  checkTokens(allowedTokenIds ?? [], vocabSize, "allowed_token_ids", "allowed_token_ids");
  const badWords = badWordIds(words, tokenizer);
  checkTokens(badWords.flat(), vocabSize, "bad_words", "bad_words");
  const stops = await asInvalid("stop", () => readStops(stop));
  return {
    ...{ prompt, maxNewTokens, sampling: { ...sampling, seed }, stops, promptLogprobs: promptLogprobs ?? null },
    // Stop tokens are masked until `minTokens` even if `ignoreEos` is set, as in vLLM.
    bans: { badWords, stopTokenIds: [...stopTokenIds, ...eosTokenIds], minTokens },
  };
}

function promptLogprobsOf({ promptLogprobs: given }: ServingRequest, limits: RequestLimits): number | undefined {
  const { vocabSize, maxLogprobs } = limits;
  if (given === -1 && vocabSize > maxLogprobs) {
    const message = `prompt_logprobs is -1, all ${vocabSize} tokens of the vocabulary; the limit is ${maxLogprobs}`;
    throw invalid(`${message}; ask for 0 to ${maxLogprobs}`, "prompt_logprobs");
  }
  if (given === -1) return vocabSize;
  checkWhole("prompt_logprobs", given, 0, maxLogprobs);
  return given;
}

function newTokens({ maxNewTokens, echo }: ServingRequest, prompt: number, { maxModelLen }: RequestLimits): number {
  const least = echo ? 0 : 1;
  if (maxNewTokens !== undefined && !(Number.isSafeInteger(maxNewTokens) && maxNewTokens >= least)) {
    throw invalid(`max_tokens is ${maxNewTokens}; expected a whole number of at least ${least}`, "max_tokens");
  }
  if (prompt + (maxNewTokens ?? 1) <= maxModelLen) return maxNewTokens ?? maxModelLen - prompt;
  const parts = `${prompt} in the prompt and ${maxNewTokens ?? "at least 1"} new`;
  throw tooLong(
    maxModelLen,
    `; ${prompt + (maxNewTokens ?? 1)} were requested: ${parts}; shorten the prompt or ask for fewer`,
    maxNewTokens === undefined ? "prompt" : "max_tokens",
  );
}

/** Returns the penalties of a request. A penalty that is not set gets the value that has no effect. */
export function penaltiesOf({
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
}: SamplingSettings): PenaltySettings {
  return { repetitionPenalty, frequencyPenalty, presencePenalty };
}

/** Settings that forbid some tokens, depending on the tokens generated before. */
export interface BanSettings {
  /** Token ids of words that must not occur in the new text. */
  readonly badWords: readonly (readonly number[])[];
  /** Stop tokens, which are forbidden until the sequence has `minTokens` new tokens. */
  readonly stopTokenIds: readonly number[];
  readonly minTokens: number;
}

/** Returns true if the settings forbid any token. */
export function anyBans({ badWords, stopTokenIds, minTokens }: BanSettings): boolean {
  return badWords.length > 0 || (minTokens > 0 && stopTokenIds.length > 0);
}

/** Returns the tokens that must not follow the new tokens so far. The prompt does not count. */
export function bannedAfter(
  newTokens: readonly number[],
  { badWords, stopTokenIds, minTokens }: BanSettings,
): ReadonlySet<number> {
  const banned = new Set<number>(newTokens.length < minTokens ? stopTokenIds : []);
  for (const word of badWords) {
    const from = newTokens.length - word.length + 1;
    const last = word.length - 1;
    if (from >= 0 && word.every((id, i) => i === last || newTokens[from + i] === id)) banned.add(word[last]);
  }
  return banned;
}

/**
 * Returns the token ids of forbidden words, as vLLM defines them. Each word is tokenized as at the beginning of a text.
 * It is also tokenized after a space; these tokens are added if they are as many but begin with another token. Throws
 * ServingError for a word without tokens.
 */
export function badWordIds(words: readonly string[], tokenizer: Tokenizer): number[][] {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  return [...new Set(words)].flatMap((word) => {
    const bare = word.trimStart();
    const plain = encode(bare);
    if (plain.length === 0) {
      const message = `bad_words holds ${JSON.stringify(word)}, which has no tokens; give words of at least one`;
      throw new ServingError("invalid_request", message, "bad_words");
    }
    const spaced = encode(` ${bare}`);
    return spaced[0] !== plain[0] && spaced.length === plain.length ? [plain, spaced] : [plain];
  });
}
