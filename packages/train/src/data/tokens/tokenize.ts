import type { ChatMessage } from "@lowrank/models";
import { checkTypes, type Row } from "../padRows.ts";
import type { CompletionExample, Example } from "./example.ts";
import { ignoreIndex } from "./ignoreIndex.ts";

/** The methods of a tokenizer that `tokenizeExample` uses. */
export interface ExampleTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  readonly eosTokenId: number | null;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: { addGenerationPrompt?: boolean },
  ): string | Promise<string>;
  /**
   * Returns the spans of the rendered conversation that the model should learn, if `{% generation %}` in the chat
   * template marks them; otherwise null.
   */
  generationSpans?(messages: readonly ChatMessage[]): Promise<readonly Span[] | null>;
}

/** A range of positions in a text or token list: from `start` up to but excluding `end`. */
export type Span = readonly [start: number, end: number];

/** An example's tokens. `labels` contains the id of each token to learn, and -100 for the other tokens. */
export interface TokenizedExample extends Row {
  labels: number[];
}

/**
 * Tokenizes an example. The labels are the tokens to learn: all tokens of a text, the completion after a prompt, or the
 * assistant's turns in a conversation. A turn includes the token that ends it. Text after the assistant's last turn is
 * dropped. `{% generation %}` in the chat template marks the turns. If the template lacks it, each turn is found by
 * replacing its message and comparing the rendered texts. If the tokenizer has an end-of-sequence token, it is appended
 * to texts and completions. Throws if `inputTypeMask` does not have one type for each token.
 */
export async function tokenizeExample(tokenizer: ExampleTokenizer, example: Example): Promise<TokenizedExample> {
  const { taskId, inputTypeMask } = example;
  const tokenized = await tokenizeAlone(tokenizer, example);
  if (inputTypeMask) checkTypes("an example with inputTypeMask", inputTypeMask, tokenized.inputIds.length);
  return {
    ...tokenized,
    ...(taskId !== undefined && { taskId }),
    ...(inputTypeMask && { inputTypeMask }),
  };
}

/** Tokenizes an example without its task and types. */
async function tokenizeAlone(tokenizer: ExampleTokenizer, example: Example): Promise<TokenizedExample> {
  if ("text" in example) {
    const inputIds = closed(tokenizer, tokenizer.encode(example.text));
    return { inputIds, labels: inputIds.slice() };
  }
  if (!("messages" in example)) return tokenizeCompletion(tokenizer, example);
  const { tokenizeChat } = await import("./tokenizeChat.ts");
  const { inputIds, learned } = await tokenizeChat(tokenizer, example);
  return labelled(inputIds, (t) => learned.has(t));
}

/** Returns tokens with labels: the token itself if `isLearned` is true for its index, otherwise -100. */
function labelled(inputIds: number[], isLearned: (t: number) => boolean): TokenizedExample {
  return { inputIds, labels: inputIds.map((id, t) => (isLearned(t) ? id : ignoreIndex)) };
}

/** Tokenizes prompt and completion as one text. A token that contains characters of both belongs to the completion. */
function tokenizeCompletion(tokenizer: ExampleTokenizer, { prompt, completion }: CompletionExample): TokenizedExample {
  const inputIds = closed(tokenizer, tokenizer.encode(prompt + completion));
  const given = tokenizer.encode(prompt);
  const end = inputIds.findIndex((id, t) => id !== given[t]);
  return labelled(inputIds, (t) => end >= 0 && t >= end);
}

function closed({ eosTokenId }: ExampleTokenizer, ids: number[]): number[] {
  return eosTokenId === null || ids.at(-1) === eosTokenId ? ids : ids.concat(eosTokenId);
}

/** The words of a text and the label index of each word, for token classification. */
export interface TaggedWords {
  words: readonly string[];
  tags: readonly number[];
}

/** The method of a tokenizer that `tokenizeTags` uses. */
export interface TagTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
}

/**
 * Tokenizes words that have labels. A word's first token gets the word's label; its other tokens and special tokens get
 * -100. Words are tokenized with a space in front.
 */
export function tokenizeTags(tokenizer: TagTokenizer, { words, tags }: TaggedWords): TokenizedExample {
  if (words.length !== tags.length) {
    throw new Error(`tokenizeTags: ${words.length} words but ${tags.length} tags; give one tag for each word`);
  }
  const inputIds: number[] = [];
  const labels: number[] = [];
  for (const [i, word] of words.entries()) {
    for (const [t, id] of tokenizer.encode(` ${word}`, { addSpecialTokens: false }).entries()) {
      inputIds.push(id);
      labels.push(t === 0 ? tags[i] : ignoreIndex);
    }
  }
  const [before, after] = specialTokens(tokenizer);
  const ignored = (ids: readonly number[]) => ids.map(() => ignoreIndex);
  return {
    inputIds: [...before, ...inputIds, ...after],
    labels: [...ignored(before), ...labels, ...ignored(after)],
  };
}

/** Returns the special tokens that a tokenizer adds before and after a text. */
function specialTokens(tokenizer: TagTokenizer): [before: number[], after: number[]] {
  const [whole, bare] = [tokenizer.encode("a"), tokenizer.encode("a", { addSpecialTokens: false })];
  const at = whole.findIndex((_, i) => bare.every((id, t) => whole[i + t] === id));
  return [whole.slice(0, at), whole.slice(at + bare.length)];
}
