import type { ChatMessage } from "@lowrank/models";
import type { ChatExample, CompletionExample, Example } from "./datasets/example.ts";
import { ignoreIndex } from "./ignoreIndex.ts";
import type { Row } from "./padRows.ts";

/** The methods of a tokenizer that `tokenize` needs. */
export interface ExampleTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  readonly eosTokenId: number | null;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: { addGenerationPrompt?: boolean },
  ): string | Promise<string>;
}

/**
 * The tokens of an example; `labels` repeats each token to be learned and is -100 for the others.
 */
export interface TokenizedExample extends Row {
  labels: number[];
}

/**
 * Tokenizes an example. Text: every token is learned. Prompt and completion: the completion's are.
 * Conversation: those of the assistant's turns, found by rendering its beginnings through the chat
 * template; text after the last of them is left out. An end-of-sequence token closes text and
 * completions where the tokenizer has one.
 */
export async function tokenizeExample(tokenizer: ExampleTokenizer, example: Example): Promise<TokenizedExample> {
  if ("text" in example) {
    const inputIds = closed(tokenizer, tokenizer.encode(example.text));
    return { inputIds, labels: [...inputIds] };
  }
  return "messages" in example ? tokenizeChat(tokenizer, example) : tokenizeCompletion(tokenizer, example);
}

/** Prompt and completion are tokenized as one text: a token that spans their border is learned. */
function tokenizeCompletion(tokenizer: ExampleTokenizer, { prompt, completion }: CompletionExample): TokenizedExample {
  const inputIds = closed(tokenizer, tokenizer.encode(prompt + completion));
  const promptLength = commonLength(tokenizer.encode(prompt), inputIds);
  return { inputIds, labels: inputIds.map((id, i) => (i < promptLength ? ignoreIndex : id)) };
}

async function tokenizeChat(tokenizer: ExampleTokenizer, { messages }: ChatExample): Promise<TokenizedExample> {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const whole = await tokenizer.applyChatTemplate(messages);
  const inputIds = encode(whole);
  const labels = inputIds.map(() => ignoreIndex);
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
    for (let t = start; t < end; t++) labels[t] = inputIds[t];
    length = end;
  }
  if (length === 0) {
    const roles = messages.map((message) => message.role).join(", ");
    throw new Error(`a conversation without an assistant turn (roles: ${roles}) has nothing to learn`);
  }
  return { inputIds: inputIds.slice(0, length), labels: labels.slice(0, length) };
}

/**
 * A model stops at the turn's last end-of-sequence token: text that the template writes
 * after it is not learned.
 */
function endOfTurn(ids: readonly number[], start: number, end: number, eosTokenId: number | null): number {
  const last = eosTokenId === null ? -1 : ids.slice(0, end).lastIndexOf(eosTokenId);
  return last >= start ? last + 1 : end;
}

function closed({ eosTokenId }: ExampleTokenizer, ids: number[]): number[] {
  return eosTokenId === null || ids.at(-1) === eosTokenId ? ids : [...ids, eosTokenId];
}

export function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
