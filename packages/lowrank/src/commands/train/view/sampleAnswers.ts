import { type CausalLM, generateText, type Tokenizer } from "@lowrank/models";
import { ignoreIndex, type TokenizedExample } from "@lowrank/train";
import type { SampleAnswer } from "../files/metricsLog.ts";
import type { TrainedModel } from "../kinds/modelKind.ts";

/** Prompt for sample answers during training. */
export interface SamplePrompt {
  readonly ids: readonly number[];
  readonly text: string;
  /** Answer in the data; null if unknown. */
  readonly reference: string | null;
}

/**
 * Two limits for sample answers: `answerTokens` is the maximum number of tokens of an answer. `beginningTokens` is the
 * number of tokens that are taken from the beginning of a text as a prompt.
 */
const [answerTokens, beginningTokens] = [48, 24];

/**
 * Takes prompts from examples: the tokens before the first learned ones, or the beginning of a text whose tokens are
 * all learned. Skips examples whose prompt leaves no space for an answer.
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
 * Converts a text to a prompt. If the examples are chats, the text becomes a user's turn. Otherwise the text itself is
 * the prompt.
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

/** Returns true if examples are chats: the first begins like a user's turn in the tokenizer's chat template. */
export async function areChats(tokenizer: Tokenizer, examples: readonly TokenizedExample[]): Promise<boolean> {
  // A template may reject a conversation of one turn.
  return (await chatOf(tokenizer, "Hello", examples).catch(() => null)) !== null;
}

/** Returns a text as a user's turn; null unless the examples are chats. */
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
