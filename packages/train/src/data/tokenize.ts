import type { ChatMessage } from "@lowrank/models";
import type { CompletionExample, Example } from "./example.ts";
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
  /** Returns the parts of a rendered conversation that are learned, where the template says so. */
  generationSpans?(messages: readonly ChatMessage[]): Promise<readonly Span[] | null>;
}

/** A part of a text: [start, end). */
export type Span = readonly [start: number, end: number];

/**
 * The tokens of an example; `labels` repeats each token to be learned and is -100 for the others.
 */
export interface TokenizedExample extends Row {
  labels: number[];
}

/**
 * Tokenizes an example. Text: every token is learned. Prompt and completion: the completion's are.
 * Conversation: those of the assistant's turns, each with the token that ends it; text after the
 * last of them is left out. They are told by `{% generation %}` of the chat template, else by what
 * changes in the rendered text with a turn. An end-of-sequence token closes text and completions
 * where the tokenizer has one.
 */
export async function tokenizeExample(tokenizer: ExampleTokenizer, example: Example): Promise<TokenizedExample> {
  if ("text" in example) {
    const inputIds = closed(tokenizer, tokenizer.encode(example.text));
    return { inputIds, labels: inputIds.slice() };
  }
  if (!("messages" in example)) return tokenizeCompletion(tokenizer, example);
  const { tokenizeChat } = await import("./tokenizeChat.ts");
  const { inputIds, learned } = await tokenizeChat(tokenizer, example);
  return labelled(inputIds, (t) => learned.has(t));
}

/** Tokens with labels where they are learned. */
function labelled(inputIds: number[], isLearned: (t: number) => boolean): TokenizedExample {
  return { inputIds, labels: inputIds.map((id, t) => (isLearned(t) ? id : ignoreIndex)) };
}

/** Prompt and completion are tokenized as one text: a token that spans their border is learned. */
function tokenizeCompletion(tokenizer: ExampleTokenizer, { prompt, completion }: CompletionExample): TokenizedExample {
  const inputIds = closed(tokenizer, tokenizer.encode(prompt + completion));
  const given = tokenizer.encode(prompt);
  const end = inputIds.findIndex((id, t) => id !== given[t]);
  return labelled(inputIds, (t) => end >= 0 && t >= end);
}

function closed({ eosTokenId }: ExampleTokenizer, ids: number[]): number[] {
  return eosTokenId === null || ids.at(-1) === eosTokenId ? ids : ids.concat(eosTokenId);
}
