import { assistantSpans, commonLength } from "./assistantSpans.ts";
import type { ChatExample } from "./example.ts";
import type { ExampleTokenizer, Span } from "./tokenize.ts";

/**
 * Tokenizes a conversation up to the end of the assistant's last turn. Also returns the token ranges of the assistant's
 * turns, whose tokens are the labels. See `tokenizeExample`.
 */
export async function tokenizeChat(
  tokenizer: ExampleTokenizer,
  { messages }: ChatExample,
): Promise<{ inputIds: number[]; learned: ReadonlySet<number> }> {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  if (last < 0) {
    const roles = messages.map((message) => message.role).join(", ");
    throw new Error(`a conversation without an assistant turn (roles: ${roles}) has nothing to learn`);
  }
  const turns = messages.slice(0, last + 1);
  const text = await tokenizer.applyChatTemplate(turns);
  const marked = (await tokenizer.generationSpans?.(turns)) ?? null;
  const spans = marked ?? (await assistantSpans(tokenizer, turns, text));
  const encode = (part: string) => tokenizer.encode(part, { addSpecialTokens: false });
  const inputIds = encode(text);
  const learned = new Set<number>();
  let length: number | undefined;
  for (const span of spans) {
    const [start, end] = tokensOf(span, text, inputIds, encode);
    length = marked ? end : endOfTurn(inputIds, start, end, tokenizer.eosTokenId);
    for (let t = start; t < length; t++) learned.add(t);
  }
  if (learned.size === 0) throw new Error("the chat template renders none of the assistant's messages");
  return { inputIds: inputIds.slice(0, length), learned };
}

/**
 * Returns the range of tokens for a range of characters in `text`. A token that contains the start of the range is
 * included. A token that extends beyond its end is excluded.
 */
function tokensOf([from, to]: Span, text: string, ids: readonly number[], encode: (part: string) => number[]): Span {
  return [commonLength(encode(text.slice(0, from)), ids), commonLength(encode(text.slice(0, to)), ids)];
}

/**
 * Returns the token index after the turn's last end-of-sequence token, where generation would stop. Text that the
 * template adds after this token is not learned. Returns `end` if the turn has no such token.
 */
function endOfTurn(ids: readonly number[], start: number, end: number, eosTokenId: number | null): number {
  const last = ids.slice(0, end).lastIndexOf(eosTokenId as number);
  return last >= start ? last + 1 : end;
}
