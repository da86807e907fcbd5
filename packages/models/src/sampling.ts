/** How to choose the next token. */
export interface SamplingOptions {
  /** Divides the logits; below 1 is bolder towards the likely. Default 1. */
  temperature?: number;
  /** Only tokens at least as likely as the k-th; 0 means all. Default 0. */
  topK?: number;
  /** Only the likeliest tokens that together reach this probability (nucleus sampling, arXiv 1904.09751). Default 1. */
  topP?: number;
}

/** The index of the largest logit, the lowest of equals. Throws on NaN. */
export function argmax(logits: ArrayLike<number>): number {
  checkLogits(logits);
  let best = 0;
  for (let i = 1; i < logits.length; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  return best;
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

/** The distribution that `sampleToken` draws from: temperature, then top-k, then top-p, as in transformers. */
export function tokenProbabilities(logits: ArrayLike<number>, options: SamplingOptions = {}): Float64Array {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  if (!(temperature > 0)) throw new Error(`temperature is ${temperature}; expected a positive number (0 is argmax)`);
  if (!(Number.isInteger(topK) && topK >= 0)) throw new Error(`topK is ${topK}; expected a whole number, 0 for all`);
  if (!(topP > 0 && topP <= 1)) throw new Error(`topP is ${topP}; expected a number above 0, at most 1`);
  checkLogits(logits);
  const scaled = Float64Array.from(logits, (logit) => logit / temperature);
  if (topK > 0 && topK < scaled.length) keepTopK(scaled, topK);
  const probabilities = softmax(scaled);
  return topP < 1 ? keepTopP(probabilities, topP) : probabilities;
}

/**
 * Makes the tokens of `ids` less likely, in place: positive logits are divided by `penalty`, negative ones multiplied,
 * each token once (CTRL, arXiv 1909.05858).
 */
export function penaliseRepetition(logits: Float32Array, ids: Iterable<number>, penalty: number): void {
  if (!(penalty > 0)) throw new Error(`repetitionPenalty is ${penalty}; expected a positive number (1 is none)`);
  for (const id of new Set(ids)) logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
}

function keepTopK(logits: Float64Array, k: number): void {
  const kth = Float64Array.from(logits).sort()[logits.length - k];
  for (let i = 0; i < logits.length; i++) if (logits[i] < kth) logits[i] = -Infinity;
}

/** A token stays if those likelier than it do not reach `p` alone; the first always stays. */
function keepTopP(probabilities: Float64Array, p: number): Float64Array {
  const order = Array.from(probabilities.keys()).filter((i) => probabilities[i] > 0);
  order.sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const kept = new Float64Array(probabilities.length);
  let mass = 0;
  for (const i of order) {
    if (mass >= p) break;
    kept[i] = probabilities[i];
    mass += probabilities[i];
  }
  return kept.map((probability) => probability / mass);
}

function softmax(logits: Float64Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = logits.map((logit) => Math.exp(logit - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}

function checkLogits(logits: ArrayLike<number>): void {
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
