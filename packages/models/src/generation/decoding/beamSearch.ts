import { affine, type Generator, gather, rand, type SamplingOptions, type Tensor, topk, where } from "@lowrank/core";
import { keptTokens } from "@lowrank/core/internal";

/** A sequence of new tokens, with the sum of their log-probabilities as its score. */
export interface Beam {
  readonly tokens: readonly number[];
  readonly score: number;
}

/**
 * A possible continuation of a beam. It appends `token` to the running beam with index `parent`; `score` is the score
 * of the extended beam.
 */
export interface Candidate {
  readonly parent: number;
  readonly token: number;
  readonly score: number;
}

interface BeamSettings {
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | "never";
  readonly maxNewTokens: number;
}

/** A score that is worse than the score of any real beam. It marks placeholders, as in transformers. */
const hopeless = -1e9;

/** Beam search for one prompt. Computes scores in f32, so that it chooses the same beams as transformers. */
export class BeamSearch {
  /** The unfinished beams; one empty beam before the first step. */
  running: readonly Beam[] = [{ tokens: [], score: 0 }];
  /**
   * For each running beam, the index of the beam that it extends. The index refers to the running beams before the most
   * recent step.
   */
  parents: readonly number[] = [0];
  /** Number of running beams before the most recent step. */
  rows = 1;
  /** True once no running beam can improve the result. */
  done = false;
  /**
   * Finished sequences, best first. The score of each is its sum of log-probabilities divided by length **
   * lengthPenalty.
   */
  #finished: readonly Beam[] = [];
  readonly #settings: BeamSettings;
  readonly #isEnd: (tokens: readonly number[]) => boolean;

  constructor(settings: BeamSettings, isEnd: (tokens: readonly number[]) => boolean) {
    this.#settings = settings;
    this.#isEnd = isEnd;
  }

  /** Returns the best `count` sequences: finished ones first, then running ones. */
  best(count: number): (readonly number[])[] {
    return [...this.#finished, ...this.running].slice(0, count).map(({ tokens }) => tokens);
  }

  /**
   * Performs one step: the best candidates that have not ended become the running beams. Ended candidates, if they are
   * among the `numBeams` best, are added to the finished sequences. `candidates` must be sorted by score, best first.
   * Throws if all scores are -Infinity.
   */
  advance(candidates: readonly Candidate[]): void {
    const { numBeams, maxNewTokens } = this.#settings;
    const possible = candidates.filter(({ score }) => score > -Infinity);
    if (possible.length === 0)
      throw new Error("generate: all tokens have probability 0, so no beam can continue; forbid fewer tokens");
    const extended = possible.map(({ parent, token, score }) => {
      const tokens = [...this.running[parent].tokens, token];
      return { parent, tokens, score, ended: tokens.length === maxNewTokens || this.#isEnd(tokens) };
    });
    if (!this.done) this.#finish(extended.slice(0, numBeams).filter(({ ended }) => ended));
    const ended = extended.filter((beam) => beam.ended).map((beam) => ({ ...beam, score: hopeless }));
    const further = [...extended.filter((beam) => !beam.ended), ...ended];
    // If there are fewer continuations than beams, add copies of the best with the lowest score.
    while (further.length < numBeams) further.push({ ...further[0], score: hopeless });
    this.rows = this.running.length;
    this.running = further.slice(0, numBeams);
    this.parents = further.slice(0, numBeams).map(({ parent }) => parent);
    this.done ||= ended.length === extended.length || !this.#canImprove();
  }

  #finish(beams: readonly Beam[]): void {
    const scored = beams.map(({ tokens, score }) => ({ tokens, score: this.#perLength(score, tokens.length) }));
    const all = [...this.#finished, ...scored].sort((a, b) => b.score - a.score);
    this.#finished = all.slice(0, this.#settings.numBeams);
  }

  #perLength(score: number, length: number): number {
    return Math.fround(score / Math.fround(length ** this.#settings.lengthPenalty));
  }

  /** Returns true if a running beam can still get a better score than the worst finished sequence. */
  #canImprove(): boolean {
    const { numBeams, earlyStopping, lengthPenalty, maxNewTokens } = this.#settings;
    const full = this.#finished.length === numBeams;
    if (full && earlyStopping === true) return false;
    const [{ tokens, score }] = this.running;
    const length = earlyStopping === "never" && lengthPenalty > 0 ? maxNewTokens : tokens.length;
    return this.#perLength(score, length) > (full ? this.#finished[numBeams - 1].score : hopeless);
  }
}

/**
 * The k continuations chosen for each prompt: their scores [B, k] and their positions [B, k]. Position beam * V + token
 * is the continuation of a beam by a token, where V is the vocabulary size.
 */
interface Chosen {
  readonly values: Tensor;
  readonly positions: Tensor;
}

/**
 * Returns the continuations with the `count` highest scores for each prompt, best first. `scores` has the shape [B,
 * beams * V].
 */
export function likeliest(scores: Tensor, count: number): Chosen {
  const [values, positions] = topk(scores, Math.min(count, scores.shape[1]), { dim: 1 });
  return { values, positions };
}

/**
 * Draws `count` continuations per prompt without replacement, with probabilities that are the softmax of the scores [B,
 * beams * V]. Uses the Gumbel top-k trick (Kool et al. 2019, https://arxiv.org/abs/1903.06059).
 */
export function drawn(scores: Tensor, count: number, generator: Generator): Chosen {
  const { shape, storage } = scores;
  const uniform = rand(shape, { generator, backend: storage.backend });
  const noise = uniform.log().neg().log().neg();
  const [, positions] = topk(scores.add(noise), Math.min(count, shape[1]), { dim: 1 });
  return { values: gather(scores, 1, positions), positions };
}

/**
 * Returns log-probabilities [rows, V] divided by the temperature. Tokens that top-k, top-p or min-p exclude get
 * -Infinity. `least` is a number of tokens: the `least` tokens with the highest probability in a row are never
 * excluded, so that a token other than EOS remains.
 */
export function filterLogProbabilities(logProbabilities: Tensor, options: SamplingOptions, least: number): Tensor {
  const { temperature = 1 } = options;
  const scaled = affine(logProbabilities, { scale: 1 / temperature });
  const kept = keptTokens(logProbabilities, options, least);
  return kept ? where(kept.gt(0), scaled, -Infinity) : scaled;
}
