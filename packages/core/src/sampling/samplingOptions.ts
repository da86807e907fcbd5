import type { OptionKeys } from "../internal/checkOptions.ts";

/** Options for sampling the next token from its logits, as in transformers. */
export interface SamplingOptions {
  /** Number by which the logits are divided. Values below 1 favour probable tokens. Default 1. */
  temperature?: number;
  /** Keeps only the k most probable tokens, and others that are as probable as the k-th. 0 keeps all. Default 0. */
  topK?: number;
  /**
   * Nucleus sampling: keeps only the most probable tokens, as many as are needed for a total probability of `topP`
   * (arXiv 1904.09751). Default 1: all.
   */
  topP?: number;
  /**
   * Keeps only tokens with a probability of at least `minP` times the highest probability (arXiv 2407.01082). Default
   * 0: all.
   */
  minP?: number;
}

/** The names of all sampling options. */
export const samplingKeys: OptionKeys<SamplingOptions> = { temperature: true, topK: true, topP: true, minP: true };

/** Throws if an option is out of its range. */
export function checkSampling({ temperature = 1, topK = 0, topP = 1, minP = 0 }: SamplingOptions): void {
  if (!(temperature > 0)) throw new Error(`temperature is ${temperature}; expected a positive number (0 is argmax)`);
  if (!(Number.isInteger(topK) && topK >= 0)) throw new Error(`topK is ${topK}; expected a whole number, 0 for all`);
  if (!(topP > 0 && topP <= 1)) throw new Error(`topP is ${topP}; expected a number above 0, at most 1`);
  if (!(minP >= 0 && minP <= 1)) throw new Error(`minP is ${minP}; expected a number from 0 to 1`);
}

/** Throws if no token can be sampled from the logits: one is NaN, the largest one is infinite, or there are none. */
export function checkLogits(logits: ArrayLike<number>): void {
  if (logits.length === 0) throw new Error("the logits are empty");
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (Number.isNaN(logit)) {
      throw new Error(
        `the logit of token ${i} is NaN: a weight or an activation overflowed, or the weights are broken`,
      );
    }
    if (logit > largest) largest = logit;
  }
  if (!Number.isFinite(largest)) throw new Error(`the largest logit is ${largest}; no token can be chosen`);
}
