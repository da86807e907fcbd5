import { noGrad, scope, type Tensor, tensor } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";
import type { TokenizedExample } from "@lowrank/train";

/** Example split into the tokens of a prompt and the tokens of the expected answer. */
interface Question {
  prompt: number[];
  answer: number[];
}

/**
 * Splits an example into a prompt (the tokens that do not count in the loss) and an answer (the tokens that count). A
 * final end-of-sequence token is removed from the answer. Returns null if the prompt or the answer is empty, or if a
 * token after the start of the answer does not count.
 */
export function toQuestion({ inputIds, labels }: TokenizedExample, eosTokenId: number | null): Question | null {
  const start = labels.findIndex((label) => label >= 0);
  if (start <= 0 || labels.slice(start).some((label) => label < 0)) return null;
  const answer = inputIds.slice(start);
  if (answer[answer.length - 1] === eosTokenId) answer.pop();
  return answer.length > 0 ? { prompt: inputIds.slice(0, start), answer } : null;
}

/**
 * Returns the share of prompts whose greedy answer equals the expected tokens exactly. Returns null if no example can
 * be split into prompt and answer.
 */
export async function exactMatch(
  model: CausalLM,
  examples: readonly TokenizedExample[],
  eosTokenId: number | null,
): Promise<number | null> {
  const room = model.maxPositions - (model.virtualTokens?.count ?? 0);
  const questions = examples
    .flatMap((example) => toQuestion(example, eosTokenId) ?? [])
    .filter(({ prompt, answer }) => prompt.length + answer.length < room)
    .sort((a, b) => a.prompt.length - b.prompt.length);
  if (questions.length === 0) return null;
  let right = 0;
  for (const { batch, maxNewTokens } of batchesOf(questions, room)) {
    const eosTokenIds = eosTokenId === null ? [] : [eosTokenId];
    const prompts = batch.map(({ prompt }) => prompt);
    const answers = await generate(model, prompts, { maxNewTokens, eosTokenIds, generationConfig: null });
    for (const [i, tokens] of answers.entries()) {
      if (tokens[tokens.length - 1] === eosTokenId) tokens.pop();
      const { answer } = batch[i];
      const compared = eosTokenId === null ? tokens.slice(0, answer.length) : tokens;
      if (compared.join() === answer.join()) right++;
    }
  }
  return right / questions.length;
}

/** Maximum number of questions that a batch has. */
const batchSize = 64;

/** Questions that are answered in one batch, and the maximum number of tokens to generate for each answer. */
interface Batch {
  readonly batch: Question[];
  maxNewTokens: number;
}

/**
 * Groups questions into batches. The longest prompt and the longest answer of a batch together have at most `room`
 * tokens. The questions must be sorted by the lengths of their prompts.
 */
function batchesOf(questions: readonly Question[], room: number): Batch[] {
  const batches: Batch[] = [];
  for (const question of questions) {
    // One token more than the answer, to detect answers that are too long.
    const own = question.answer.length + 1;
    const last = batches.at(-1);
    const maxNewTokens = Math.max(own, last?.maxNewTokens ?? own);
    if (last && last.batch.length < batchSize && question.prompt.length + maxNewTokens <= room) {
      last.batch.push(question);
      last.maxNewTokens = maxNewTokens;
    } else batches.push({ batch: [question], maxNewTokens: own });
  }
  return batches;
}

/** Returns the median of a non-empty list. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Returns the median time of a forward pass over one sequence in milliseconds, after warm-up passes. */
export async function passMilliseconds(model: CausalLM, tokens: number): Promise<number> {
  model.eval();
  const times: number[] = [];
  const ids = Array.from({ length: tokens }, (_, i) => (7 * i) % model.vocabSize);
  using inputIds: Tensor = tensor(ids, { dtype: "i32", shape: [1, tokens] });
  for (let pass = -5; pass < 25; pass++) {
    const start = performance.now();
    using logits = noGrad(() => scope(() => model.forward({ inputIds }).logits));
    await logits.data();
    if (pass >= 0) times.push(performance.now() - start);
  }
  return median(times);
}
