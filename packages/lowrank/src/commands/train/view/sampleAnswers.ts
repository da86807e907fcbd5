import { type CausalLM, generateText, type Tokenizer } from "@lowrank/models";
import { ignoreIndex, type TokenizedExample } from "@lowrank/train";
import type { SampleAnswer } from "../files/metricsLog.ts";
import type { TrainedModel } from "../kinds/modelKind.ts";

/** Prompt that the model answers during training, to show its progress. */
export interface SamplePrompt {
  readonly ids: readonly number[];
  readonly text: string;
  /** Expected answer from the data; null if unknown. */
  readonly reference: string | null;
}

/**
 * Lengths for sample answers, in tokens. An answer has at most `answerTokens` tokens. If an example has no separate
 * prompt, its first `beginningTokens` tokens become the prompt.
 */
const [answerTokens, beginningTokens] = [48, 24];

/**
 * Takes prompts from examples. A prompt is the tokens before the first token that counts in the loss. If all tokens
 * count, it is the beginning of the text. Skips examples whose prompt leaves no space for an answer.
 */
export function samplePrompts(
  tokenizer: Tokenizer,
  examples: readonly TokenizedExample[],
  { count, maxLength }: { count: number; maxLength: number },
): SamplePrompt[] {
  const prompts: SamplePrompt[] = [];
  if (count === 0) return prompts;
  const seen = new Set<string>();
  const show = (ids: readonly number[]) => tokenizer.decode([...ids], { skipSpecialTokens: true }).trim();
  // Takes examples spread evenly over the data first, then the others.
  const stride = Math.max(1, Math.floor(examples.length / count));
  const order = [...examples.keys()].sort((a, b) => (a % stride) - (b % stride));
  for (const at of order.slice(0, 8 * count)) {
    const { inputIds, labels } = examples[at];
    const first = labels.findIndex((label) => label !== ignoreIndex);
    const start = first > 1 ? first : Math.min(beginningTokens, Math.floor(inputIds.length / 2));
    if (start < 1 || start + 8 > maxLength) continue;
    const unlearned = labels.findIndex((label, t) => t >= start && label === ignoreIndex);
    const end = Math.min(unlearned === -1 ? inputIds.length : unlearned, start + 4 * answerTokens);
    const [ids, text] = [inputIds.slice(0, start), show(inputIds.slice(0, start))];
    if (text === "" || seen.has(text)) continue;
    seen.add(text);
    prompts.push({ ids, text, reference: show(inputIds.slice(start, end)) });
    if (prompts.length === count) break;
  }
  return prompts;
}

/**
 * Converts a text to a prompt. If the training examples are chats, formats the text as a user message with the chat
 * template. Otherwise the text itself is the prompt.
 */
export async function promptOf(
  tokenizer: Tokenizer,
  text: string,
  examples: readonly TokenizedExample[],
): Promise<SamplePrompt> {
  const chat = await chatOf(tokenizer, text, examples);
  const ids = chat === null ? tokenizer.encode(text) : tokenizer.encode(chat, { addSpecialTokens: false });
  return { ids, text, reference: null };
}

/**
 * Returns true if the examples are chats. Only the first example is checked: it must begin as a user message begins in
 * the tokenizer's chat template.
 */
export async function areChats(tokenizer: Tokenizer, examples: readonly TokenizedExample[]): Promise<boolean> {
  // A template may reject a conversation of one turn.
  return (await chatOf(tokenizer, "Hello", examples).catch(() => null)) !== null;
}

/** Formats a text as a user message with the chat template. Returns null if the examples are not chats. */
async function chatOf(
  tokenizer: Tokenizer,
  text: string,
  examples: readonly TokenizedExample[],
): Promise<string | null> {
  if (tokenizer.chatTemplate === null || examples.length === 0) return null;
  const chat = await tokenizer.applyChatTemplate([{ role: "user", content: text }], { addGenerationPrompt: true });
  const before = chat.slice(0, chat.indexOf(text));
  const [turn] = before.split(/[\s:]/);
  return turn !== "" && tokenizer.decode(examples[0].inputIds).startsWith(turn) ? chat : null;
}

/** Generates greedy answers to one or more prompts, in one batch. */
export async function answerSamples(
  model: TrainedModel,
  tokenizer: Tokenizer,
  prompts: readonly SamplePrompt[],
  maxLength: number,
): Promise<SampleAnswer[]> {
  const longest = Math.max(...prompts.map(({ ids }) => ids.length));
  const maxNewTokens = Math.min(answerTokens, maxLength - longest);
  model.eval();
  const options = { doSample: false, maxNewTokens };
  // Only decoders have prompts.
  const answers = await generateText(
    model as CausalLM,
    tokenizer,
    prompts.map(({ ids }) => [...ids]),
    options,
  );
  return prompts.map(({ text: prompt, reference }, i) => {
    return { prompt, answer: answers[i].trim(), ...(reference !== null && { reference }) };
  });
}
