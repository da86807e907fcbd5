import { tokenProbabilities } from "@lowrank/core";
import type { Tokenizer } from "@lowrank/models";
import { checkPenalties, type PenaltySettings, promptTokens, readStops, type Stops } from "@lowrank/models/generation";
import { type SamplingSettings, ServingError, type ServingPrompt, type ServingRequest } from "../api.ts";

/** Limits that a request must keep to. */
export interface RequestLimits {
  readonly vocabSize: number;
  /** The most tokens of a sequence, prompt and new ones. */
  readonly maxModelLen: number;
  /** The most log-probabilities for a token. */
  readonly maxLogprobs: number;
}

/** A request's settings, read and found good. */
export interface RequestSettings {
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
  readonly sampling: SamplingSettings & { readonly seed: number };
  readonly stops: Stops;
}

/**
 * Returns the tokens of a prompt. Throws ServingError for none, and for ids beyond the model; it
 * names `field`, or else the kind of prompt.
 */
export async function readPrompt(
  prompt: ServingPrompt,
  tokenizer: Tokenizer,
  vocabSize: number,
  field?: string,
): Promise<number[]> {
  const param = field ?? ("messages" in prompt ? "messages" : "prompt");
  const given = "tokens" in prompt ? prompt.tokens : "text" in prompt ? prompt.text : prompt.messages;
  const read = async () => (given.length === 0 ? [] : [...(await promptTokens(given, tokenizer))]);
  const tokens = await asInvalid(param, read);
  if (tokens.length === 0) {
    throw invalid(`the prompt has no tokens; give at least one${bosAdvice(tokenizer)}`, param);
  }
  checkTokens(tokens, vocabSize, "the prompt", param);
  return tokens;
}

function bosAdvice({ bosTokenId }: Tokenizer): string {
  return bosTokenId === null ? "" : `, such as the model's BOS, ${bosTokenId}`;
}

/** Reads the rest of a request. Throws ServingError, naming the field and its value. */
export async function readSettings(
  request: ServingRequest,
  prompt: readonly number[],
  limits: RequestLimits,
): Promise<RequestSettings> {
  const { sampling, logprobs, stop = [] } = request;
  const maxNewTokens = newTokens(request, prompt.length, limits);
  await asInvalid("sampling", () => {
    const { temperature, topK, topP, minP } = sampling;
    if (!(temperature >= 0 && temperature < Infinity)) {
      throw new Error(`temperature is ${temperature}; expected a number of at least 0, where 0 takes the likeliest`);
    }
    // It draws from one token by the same settings as passes do, and refuses those out of range.
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
  if (logprobs !== undefined && !(Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= limits.maxLogprobs)) {
    throw invalid(`logprobs is ${logprobs}; expected a whole number from 0 to ${limits.maxLogprobs}`, "logprobs");
  }
  const stops = await asInvalid("stop", () => readStops(stop));
  return { prompt, maxNewTokens, sampling: { ...sampling, seed }, stops };
}

function newTokens({ maxNewTokens, echo }: ServingRequest, prompt: number, { maxModelLen }: RequestLimits): number {
  const least = echo ? 0 : 1;
  if (maxNewTokens !== undefined && !(Number.isSafeInteger(maxNewTokens) && maxNewTokens >= least)) {
    throw invalid(`max_tokens is ${maxNewTokens}; expected a whole number of at least ${least}`, "max_tokens");
  }
  if (prompt + (maxNewTokens ?? 1) <= maxModelLen) return maxNewTokens ?? maxModelLen - prompt;
  throw invalid(
    `this model's maximum context length is ${maxModelLen} tokens; ${prompt + (maxNewTokens ?? 1)} were requested: ${prompt} in the prompt and ${maxNewTokens ?? "at least 1"} new; shorten the prompt or ask for fewer`,
    maxNewTokens === undefined ? "prompt" : "max_tokens",
  );
}

/** The penalties of a request, neutral where it gives none. */
export function penaltiesOf({
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
}: SamplingSettings): PenaltySettings {
  return { repetitionPenalty, frequencyPenalty, presencePenalty };
}

/** Throws ServingError where a number is no token of the model. */
function checkTokens(tokens: readonly number[], vocabSize: number, what: string, param: string): void {
  const bad = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabSize));
  if (bad === undefined) return;
  throw invalid(`${what} holds ${bad}; the model's token ids are 0 to ${vocabSize - 1}`, param);
}

function invalid(message: string, param: string): ServingError {
  return new ServingError("invalid_request", message, param);
}

/** Runs `read`; what it throws is the caller's fault. */
async function asInvalid<T>(param: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof ServingError ? error : invalid((error as Error).message, param);
  }
}
