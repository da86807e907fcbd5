import type { ChatExample } from "./datasets/example.ts";
import type { ExampleTokenizer } from "./tokenize.ts";

/**
 * Tokenizes a conversation up to the end of the assistant's last turn, and finds the places of the
 * tokens of all its turns, which are learned; see `tokenizeExample`.
 */
export async function tokenizeChat(
  tokenizer: ExampleTokenizer,
  { messages }: ChatExample,
): Promise<{ inputIds: number[]; learned: ReadonlySet<number> }> {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const whole = await tokenizer.applyChatTemplate(messages);
  const inputIds = encode(whole);
  const learned = new Set<number>();
  let length = 0;
  for (const [i, { role }] of messages.entries()) {
    if (role !== "assistant") continue;
    const before = await tokenizer.applyChatTemplate(messages.slice(0, i), { addGenerationPrompt: true });
    const after = await tokenizer.applyChatTemplate(messages.slice(0, i + 1));
    if (!after.startsWith(before) || !whole.startsWith(after)) {
      const found = "the chat template changes earlier text when this turn is added";
      throw new Error(
        `messages[${i}]: ${found}, so that the assistant's tokens cannot be told; use prompt and completion`,
      );
    }
    const start = commonLength(encode(before), inputIds);
    const end = endOfTurn(inputIds, start, commonLength(encode(after), inputIds), tokenizer.eosTokenId);
    for (let t = start; t < end; t++) learned.add(t);
    length = end;
  }
  if (length === 0) {
    const roles = messages.map((message) => message.role).join(", ");
    throw new Error(`a conversation without an assistant turn (roles: ${roles}) has nothing to learn`);
  }
  return { inputIds: inputIds.slice(0, length), learned };
}

/**
 * A model stops at the turn's last end-of-sequence token: text that the template writes
 * after it is not learned.
 */
function endOfTurn(ids: readonly number[], start: number, end: number, eosTokenId: number | null): number {
  const last = eosTokenId === null ? -1 : ids.slice(0, end).lastIndexOf(eosTokenId);
  return last >= start ? last + 1 : end;
}

/** The number of tokens with which both begin. */
export function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
