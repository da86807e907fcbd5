import type { CausalLM, Tokenizer } from "@lowrank/models";
import { logLikelihood } from "./measurePerplexity.ts";

/** A multiple-choice question. */
export interface ChoiceQuestion {
  readonly prompt: string;
  /** The possible answers. Each is appended to the prompt after a space. */
  readonly choices: readonly string[];
  /** The index of the correct choice. */
  readonly answer: number;
}

/** A model's answer to a multiple-choice question: the choices that it finds most likely. */
export interface ChoiceAnswer {
  /** Index of the choice with the highest probability, as for `acc` in lm-evaluation-harness. */
  readonly likeliest: number;
  /** Index of the choice with the highest log-probability per character, as for `acc_norm` in lm-evaluation-harness. */
  readonly likeliestByLength: number;
  /** The log-probability of each choice, in nats. */
  readonly logLikelihoods: readonly number[];
}

/** Scores the choices of a question by their log-probability after the prompt. */
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
 * Tokenizes a prompt and its continuation as one text. Also returns the number of tokens that belong to the
 * continuation. Spaces at the end of the prompt count as part of the continuation.
 */
function pair(tokenizer: Tokenizer, prompt: string, next: string): { tokens: number[]; count: number } {
  const tokens = tokenizer.encode(prompt + next);
  return { tokens, count: tokens.length - tokenizer.encode(prompt.trimEnd()).length };
}

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));
