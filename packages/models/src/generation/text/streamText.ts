import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { GenerativeModel } from "../decoding/steps.ts";
import { type StreamTextOptions, textPieces } from "./textPieces.ts";
import type { TextPrompt } from "./textPrompt.ts";

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
