import { checkOptions } from "../internal/checkOptions.ts";
import { checkLogits, checkSampling, type SamplingOptions, samplingKeys } from "./samplingOptions.ts";

/**
 * Returns the probabilities with which `sampleToken` selects tokens, after temperature, then top-k, top-p and min-p, as
 * in transformers.
 */
export function tokenProbabilities(logits: ArrayLike<number>, options: SamplingOptions = {}): Float64Array {
  checkOptions("tokenProbabilities", options, samplingKeys);
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  checkSampling(options);
  checkLogits(logits);
  const divided = Float64Array.from(logits, (logit) => logit / temperature);
  const scaled = topK > 0 ? keepTopK(divided, topK) : divided;
  const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const odds = scaled.map((logit) => Math.exp(logit - largest));
  const sum = odds.reduce((a, b) => a + b, 0);
  return topP < 1 || minP > 0 ? nucleus(odds, sum, topP, minP) : odds.map((odd) => odd / sum);
}

/** Samples a token and returns its index. `uniform` is a random number in [0, 1). */
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

function keepTopK(logits: Float64Array, k: number): Float64Array {
  const kth = logits.toSorted()[logits.length - k];
  return logits.map((logit) => (logit < kth ? -Infinity : logit));
}

/**
 * Applies top-p and min-p, and returns the probabilities: 0 for the tokens that are removed, and a sum of 1 for the
 * others. `odds` are unnormalised probabilities, of which the largest is 1; `sum` is their sum. A token is kept if the
 * more probable tokens together do not reach `topP`, and if its `odds` are at least `minP`. Of equally probable tokens,
 * the one with the lower index counts as more probable. The most probable token is always kept.
 */
function nucleus(odds: Float64Array, sum: number, topP: number, minP: number): Float64Array {
  const order = Array.from(odds.keys()).filter((i) => odds[i] > 0);
  order.sort((a, b) => odds[b] - odds[a]);
  const probabilities = new Float64Array(odds.length);
  let mass = 0;
  for (const i of order) {
    if ((topP < 1 && mass >= topP) || odds[i] < minP) break;
    probabilities[i] = odds[i] / sum;
    mass += probabilities[i];
  }
  return probabilities.map((probability) => probability / mass);
}
