import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { GenerativeModel } from "../decoding/steps.ts";
import { type StreamTextOptions, textPieces } from "./textPieces.ts";
import { isBatch, type TextPrompt } from "./textPrompt.ts";

/** Settings of `generateText`. */
export interface GenerateTextOptions extends StreamTextOptions {
  /**
   * Called with each piece of new text (whole characters only) and the index of its sequence. This is the index of the
   * prompt or, with several sequences per prompt, the index in the result.
   */
  onText?: (piece: string, row: number) => void;
}

/**
 * Continues a text, a list of token ids or a chat, and returns the new text, which for a chat is the answer. A list of
 * prompts runs as one batch and returns a list of texts. Generation ends at `eosTokenIds`. Default: the EOS tokens of
 * the model's generation config, else the tokenizer's.
 */
export async function generateText(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  prompt: TextPrompt,
  options?: GenerateTextOptions,
): Promise<string>;
export async function generateText(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  prompts: readonly TextPrompt[],
  options?: GenerateTextOptions,
): Promise<string[]>;
export async function generateText(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  prompt: TextPrompt | readonly TextPrompt[],
  { onText, ...options }: GenerateTextOptions = {},
): Promise<string | string[]> {
  const several = isBatch(prompt);
  const { numReturnSequences = 1 } = options;
  if (!several && numReturnSequences > 1) {
    throw new Error(
      `generateText: numReturnSequences is ${numReturnSequences}; give the prompt in a list to get a list`,
    );
  }
  const prompts = several ? prompt : [prompt];
  const texts = new Array<string>(prompts.length * numReturnSequences).fill("");
  for await (const { text, row } of textPieces(model, tokenizer, prompts, { ...options, numReturnSequences })) {
    texts[row] += text;
    onText?.(text, row);
  }
  return several ? texts : texts[0];
}

/**
 * Continues a text, a list of token ids or a chat, and yields the new text in pieces of whole characters. Leaving the
 * loop ends the generation. Aborting `signal` ends it too and throws the signal's reason.
 */
export async function* streamText(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  prompt: TextPrompt,
  options: StreamTextOptions = {},
): AsyncGenerator<string, void, void> {
  const { numBeams = 1, numReturnSequences = 1 } = options;
  if (numBeams > 1 || numReturnSequences > 1) {
    throw new Error("streamText: one sequence can be streamed; leave numBeams and numReturnSequences out");
  }
  const alone = { ...options, numBeams: 1, numReturnSequences: 1 };
  for await (const { text } of textPieces(model, tokenizer, [prompt], alone)) yield text;
}
