import { checkOptions, type OptionKeys } from "./checkOptions.ts";
/** Settings of drawing the next token from its logits, as in transformers. */
export interface SamplingOptions {
  /** Divides the logits; below 1 is bolder towards the likely. Default 1. */
  temperature?: number;
  /** Only tokens at least as likely as the k-th; 0 means all. Default 0. */
  topK?: number;
  /**
   * Only the likeliest tokens that together reach this probability (nucleus sampling,
   * arXiv 1904.09751). Default 1.
   */
  topP?: number;
  /**
   * Only tokens at least this times as likely as the likeliest (arXiv 2407.01082). Default 0: all.
   */
  minP?: number;
}

/** The names of all sampling options. */
export const samplingKeys: OptionKeys<SamplingOptions> = { temperature: true, topK: true, topP: true, minP: true };

/** Throws for a setting out of its range. */
export function checkSampling({ temperature = 1, topK = 0, topP = 1, minP = 0 }: SamplingOptions): void {
  if (!(temperature > 0)) throw new Error(`temperature is ${temperature}; expected a positive number (0 is argmax)`);
  if (!(Number.isInteger(topK) && topK >= 0)) throw new Error(`topK is ${topK}; expected a whole number, 0 for all`);
  if (!(topP > 0 && topP <= 1)) throw new Error(`topP is ${topP}; expected a number above 0, at most 1`);
  if (!(minP >= 0 && minP <= 1)) throw new Error(`minP is ${minP}; expected a number from 0 to 1`);
}

/** Throws where no token can be chosen: a logit is NaN, or the largest is infinite. */
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

/**
 * The distribution that `sampleToken` draws from: temperature, then top-k, top-p and
 * min-p, as in transformers.
 */
export function tokenProbabilities(logits: ArrayLike<number>, options: SamplingOptions = {}): Float64Array {
  checkOptions("tokenProbabilities", options, samplingKeys);
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  checkSampling(options);
  checkLogits(logits);
  const scaled = Float64Array.from(logits, (logit) => logit / temperature);
  if (topK > 0 && topK < scaled.length) keepTopK(scaled, topK);
  const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const odds = scaled.map((logit) => Math.exp(logit - largest));
  const sum = odds.reduce((a, b) => a + b, 0);
  return topP < 1 || minP > 0 ? nucleus(odds, sum, topP, minP) : odds.map((odd) => odd / sum);
}

/** Draws a token by `uniform`, a number in [0, 1). */
export function sampleToken(logits: ArrayLike<number>, uniform: number, options: SamplingOptions = {}): number {
  if (!(uniform >= 0 && uniform < 1))
    throw new Error(`sampleToken: uniform is ${uniform}; expected a number in [0, 1)`);
  const probabilities = tokenProbabilities(logits, options);
  let rest = uniform;
  let last = 0;
  for (let i = 0; i < probabilities.length; i++) {
    if (probabilities[i] === 0) continue;
    if (rest < probabilities[i]) return i;
    rest -= probabilities[i];
    last = i;
  }
  return last;
}

function keepTopK(logits: Float64Array, k: number): void {
  const kth = Float64Array.from(logits).sort()[logits.length - k];
  for (let i = 0; i < logits.length; i++) if (logits[i] < kth) logits[i] = -Infinity;
}

/**
 * Keeps the likeliest tokens, of equals those of lower index first. A token stays if those
 * before it do not reach `topP` alone and its odds against the likeliest are at least
 * `minP`; the first always stays.
 */
function nucleus(odds: Float64Array, sum: number, topP: number, minP: number): Float64Array {
  const order = Array.from(odds.keys()).filter((i) => odds[i] > 0);
  order.sort((a, b) => odds[b] - odds[a] || a - b);
  const probabilities = new Float64Array(odds.length);
  let mass = 0;
  for (const i of order) {
    if ((topP < 1 && mass >= topP) || odds[i] < minP) break;
    probabilities[i] = odds[i] / sum;
    mass += probabilities[i];
  }
  return probabilities.map((probability) => probability / mass);
}
