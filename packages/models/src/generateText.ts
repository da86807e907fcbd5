import type { CausalLM } from "./causalLM.ts";
import { type GenerateOptions, generate } from "./generate.ts";
import { StreamDecoder } from "./tokenizer/streamDecoder.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** `GenerateOptions` for text, with pieces of text as they come. */
export interface GenerateTextOptions extends Omit<GenerateOptions, "onToken"> {
  /** Called with each piece of new text; characters are never split. */
  onText?: (piece: string) => void;
}

/**
 * Continues a text, or the ids of one, and returns what follows it. Ends at the tokenizer's EOS
 * unless `eosTokenIds` says otherwise.
 */
export async function generateText(
  model: CausalLM,
  tokenizer: Tokenizer,
  prompt: string | readonly number[],
  options: GenerateTextOptions = {},
): Promise<string> {
  const { onText, ...rest } = options;
  const eosTokenIds = options.eosTokenIds ?? (tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId]);
  const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : prompt;
  const decoder = new StreamDecoder(tokenizer, { after: ids });
  let text = "";
  const emit = (piece: string) => {
    text += piece;
    if (piece) onText?.(piece);
  };
  const onToken = (token: number) => emit(eosTokenIds.includes(token) ? "" : decoder.push(token));
  await generate(model, [ids], { ...rest, eosTokenIds, onToken });
  emit(decoder.flush());
  return text;
}
