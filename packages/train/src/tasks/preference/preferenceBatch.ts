import { chunk, neg, softplus, type Tensor } from "@lowrank/core";
import type { ChatMessage } from "@lowrank/models";
import { type Batch, collate } from "../../data/batches/collate.ts";
import type { CollateOptions } from "../../data/padRows.ts";
import { commonLength } from "../../data/tokens/assistantSpans.ts";
import type { WithTask } from "../../data/tokens/example.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../../data/tokens/tokenize.ts";

/** A prompt with a chosen and a rejected answer. In both, the prompt's labels are -100. */
export interface PreferenceExample {
  chosen: TokenizedExample;
  rejected: TokenizedExample;
}

/**
 * Pads the answers of all pairs to the same length. Rows of chosen answers come first, then rows of rejected answers.
 */
export function collatePairs(examples: readonly PreferenceExample[], options: CollateOptions): Batch {
  const rows = [...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)];
  return collate(rows, options);
}

/** Returns the total number of tokens in several texts. */
export function tokensOf(texts: readonly Pick<TokenizedExample, "inputIds">[]): number {
  return texts.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
}

/** Returns the total number of tokens in several pairs of answers. */
export function tokensOfPairs(examples: readonly PreferenceExample[]): number {
  return tokensOf(examples.flatMap(({ chosen, rejected }) => [chosen, rejected]));
}

/**
 * Splits a tensor [2B, ...] into the values of the chosen and of the rejected answers, each [B, ...]. The tensor has
 * one row for each row of `collatePairs`.
 */
export function pairsOf(values: Tensor): [chosen: Tensor, rejected: Tensor] {
  const [chosen, rejected] = chunk(values, 2, { dim: 0 });
  return [chosen, rejected];
}

/** Returns log(1 / (1 + e^-x)) elementwise, without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}

/** A prompt with a better (chosen) and a worse (rejected) answer: as texts, or as messages of a conversation. */
export type PreferenceText = WithTask &
  (
    | { prompt: string; chosen: string; rejected: string }
    | { prompt: ChatMessage[]; chosen: ChatMessage[]; rejected: ChatMessage[] }
  );

/**
 * Tokenizes a prompt with its two answers. Only the answers' tokens are labels. Conversations are rendered with the
 * chat template.
 */
export async function tokenizePreference(
  tokenizer: ExampleTokenizer,
  text: PreferenceText,
): Promise<PreferenceExample> {
  const task = text.taskId === undefined ? {} : { taskId: text.taskId };
  const answer = async (name: "chosen" | "rejected"): Promise<TokenizedExample> => {
    if (typeof text.prompt === "string") {
      return tokenizeExample(tokenizer, { prompt: text.prompt, completion: text[name] as string, ...task });
    }
    return { ...(await tokenizeAnswer(tokenizer, text.prompt, text[name] as ChatMessage[], name)), ...task };
  };
  return { chosen: await answer("chosen"), rejected: await answer("rejected") };
}

async function tokenizeAnswer(
  tokenizer: ExampleTokenizer,
  prompt: readonly ChatMessage[],
  answer: readonly ChatMessage[],
  name: string,
): Promise<TokenizedExample> {
  const before = await tokenizer.applyChatTemplate(prompt, { addGenerationPrompt: true });
  const whole = await tokenizer.applyChatTemplate([...prompt, ...answer]);
  if (!whole.startsWith(before)) {
    throw new Error(
      `${name}: the chat template renders the prompt differently when an answer follows; give prompt and answers as texts instead of messages`,
    );
  }
  const encode = (given: string) => tokenizer.encode(given, { addSpecialTokens: false });
  const inputIds = encode(whole);
  const start = commonLength(encode(before), inputIds);
  return { inputIds, labels: inputIds.map((id, t) => (t < start ? ignoreIndex : id)) };
}
