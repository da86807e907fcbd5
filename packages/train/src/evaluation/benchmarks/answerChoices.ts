import type { CausalLM, Tokenizer } from "@lowrank/models";
import { logLikelihood } from "./logLikelihood.ts";

/** A question with answers to choose from. */
export interface ChoiceQuestion {
  readonly prompt: string;
  /** Each goes on from the prompt after a space. */
  readonly choices: readonly string[];
  /** The place of the right choice. */
  readonly answer: number;
}

/** The choices that a model makes in one question. */
export interface ChoiceAnswer {
  /** The likeliest choice: lm-evaluation-harness' acc. */
  readonly likeliest: number;
  /** The likeliest per character: its acc_norm. */
  readonly likeliestByLength: number;
  /** The log-probability of each choice, in nats. */
  readonly logLikelihoods: readonly number[];
}

/** Lets a model choose among answers by their log-probability after the prompt. */
export async function answerChoices(
  model: CausalLM,
  tokenizer: Tokenizer,
  { prompt, choices }: ChoiceQuestion,
): Promise<ChoiceAnswer> {
  const logLikelihoods: number[] = [];
  for (const choice of choices) {
    const { tokens, count } = pair(tokenizer, prompt, ` ${choice}`);
    const room = model.maxPositions - (model.virtualTokens?.count ?? 0);
    logLikelihoods.push((await logLikelihood(model, tokens.slice(-room), count)).sum);
  }
  const byLength = logLikelihoods.map((sum, i) => sum / Math.max(1, [...choices[i]].length));
  return { likeliest: largest(logLikelihoods), likeliestByLength: largest(byLength), logLikelihoods };
}

/**
 * The tokens of a prompt and what follows it, and how many of them are of the latter. Spaces at the
 * end of the prompt go to what follows; both are encoded as one text.
 */
function pair(tokenizer: Tokenizer, prompt: string, next: string): { tokens: number[]; count: number } {
  const tokens = tokenizer.encode(prompt + next);
  return { tokens, count: tokens.length - tokenizer.encode(prompt.trimEnd()).length };
}

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));
