import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { GenerativeModel } from "./steps.ts";
import { type StreamTextOptions, textPieces } from "./textPieces.ts";
import { isBatch, type TextPrompt } from "./textPrompt.ts";

/** Settings of `generateText`, with pieces of text as they come. */
export interface GenerateTextOptions extends StreamTextOptions {
  /** Called with each piece of new text and the row it belongs to; characters are never split. */
  onText?: (piece: string, row: number) => void;
}

/**
 * Continues a text, the ids of one or a chat, and returns what follows it: for a chat, the answer.
 * For a list of them, which runs as one batch, it returns a list. Ends at the EOS of the model's
 * generation config, else at the tokenizer's, unless `eosTokenIds` says otherwise.
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
