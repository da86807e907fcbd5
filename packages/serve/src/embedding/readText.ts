import type { Tokenizer } from "@lowrank/models";
import { type EmbedOptions, ServingError } from "../api/api.ts";
import { tooLong } from "../engine/requests/invalidRequest.ts";
import { readPrompt } from "../engine/requests/readPrompt.ts";
import type { EmbeddingSettings } from "./embeddingOptions.ts";

/** Tokenizer and limits with which an engine reads a text. */
export interface TextReader {
  readonly tokenizer: Tokenizer;
  readonly vocabSize: number;
  readonly settings: EmbeddingSettings;
}

/**
 * Returns the tokens of an input. Throws ServingError for an empty input, for token ids outside the vocabulary, and for
 * too many tokens unless the request truncates them.
 */
export async function readText(
  input: string | readonly number[],
  { truncatePromptTokens: asked }: EmbedOptions,
  { tokenizer, vocabSize, settings }: TextReader,
): Promise<readonly number[]> {
  const { maxModelLen, lowerCase } = settings;
  const text = typeof input === "string" && lowerCase ? input.toLowerCase() : input;
  const prompt = typeof text === "string" ? { text } : { tokens: text };
  const tokens = await readPrompt(prompt, tokenizer, vocabSize, "input");
  if (asked !== undefined) {
    const most = lengthAsked(asked, maxModelLen);
    return tokens.length <= most ? tokens : truncated(tokens, specialsAround(text, tokens, tokenizer), most);
  }
  if (tokens.length <= maxModelLen) return tokens;
  throw tooLong(maxModelLen, `; an input has ${tokens.length}; shorten it, or give truncate_prompt_tokens`, "input");
}

function lengthAsked(asked: number, maxModelLen: number): number {
  if (asked === -1) return maxModelLen;
  if (Number.isSafeInteger(asked) && asked >= 1 && asked <= maxModelLen) return asked;
  throw new ServingError(
    "invalid_request",
    `truncate_prompt_tokens is ${asked}; expected a whole number from 1 to ${maxModelLen}, or -1 for the most`,
    "truncate_prompt_tokens",
  );
}

/** Number of tokens that the tokenizer adds before and after a text. */
interface Specials {
  readonly before: number;
  readonly behind: number;
}

function specialsAround(text: string | readonly number[], tokens: readonly number[], tokenizer: Tokenizer): Specials {
  if (typeof text !== "string") return { before: 0, behind: 0 };
  const bare = tokenizer.encode(text, { addSpecialTokens: false });
  const added = tokens.length - bare.length;
  for (let before = 0; before <= added; before++) {
    if (bare.every((token, i) => tokens[before + i] === token)) return { before, behind: added - before };
  }
  throw new ServingError("invalid_request", "this tokenizer's texts cannot be truncated; shorten the input", "input");
}

/**
 * Shortens a text to `most` tokens, but keeps the special tokens around it: `before` tokens at its beginning and
 * `behind` tokens at its end.
 */
function truncated(tokens: readonly number[], { before, behind }: Specials, most: number): readonly number[] {
  if (most > before + behind) return [...tokens.slice(0, most - behind), ...tokens.slice(tokens.length - behind)];
  throw new ServingError(
    "invalid_request",
    `truncate_prompt_tokens is ${most}, and ${before + behind} tokens surround every text; give a larger value`,
    "truncate_prompt_tokens",
  );
}
