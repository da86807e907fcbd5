/** A sequence of new tokens with the sum of its log-probabilities. */
export interface Beam {
  readonly tokens: readonly number[];
  readonly score: number;
}

/** A token after the beam `parent`, with the score of both together. */
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

/** A score below all that sequences have; f32, as transformers counts with it. */
const hopeless = -1e9;

/**
 * The beam search for one prompt, which chooses as that of transformers does, in single
 * precision.
 */
export class BeamSearch {
  /** The beams that go on; one before the first step. */
  running: readonly Beam[] = [{ tokens: [], score: 0 }];
  /** The beam of the step before that each of them comes from. */
  parents: readonly number[] = [0];
  /** The number of beams in the step before. */
  rows = 1;
  /** True once nothing better is to be expected. */
  done = false;
  /** Sequences that have ended, best first, by score over length to the power of the penalty. */
  #finished: readonly Beam[] = [];
  readonly #settings: BeamSettings;
  readonly #isEnd: (tokens: readonly number[]) => boolean;

  constructor(settings: BeamSettings, isEnd: (tokens: readonly number[]) => boolean) {
    this.#settings = settings;
    this.#isEnd = isEnd;
  }

  /** The sequences to return: the finished, then those that go on. */
  best(count: number): (readonly number[])[] {
    return [...this.#finished, ...this.running].slice(0, count).map(({ tokens }) => tokens);
  }

  /** Takes the likeliest continuations of the running beams, best first. */
  advance(candidates: readonly Candidate[]): void {
    const { numBeams, maxNewTokens } = this.#settings;
    const possible = candidates.filter(({ score }) => score > -Infinity);
    if (possible.length === 0) throw new Error("generate: every token is forbidden; no beam can go on");
    const extended = possible.map(({ parent, token, score }) => {
      const tokens = [...this.running[parent].tokens, token];
      return { parent, tokens, score, ended: tokens.length === maxNewTokens || this.#isEnd(tokens) };
    });
    if (!this.done) this.#finish(extended.slice(0, numBeams).filter(({ ended }) => ended));
    const ended = extended.filter((beam) => beam.ended).map((beam) => ({ ...beam, score: hopeless }));
    const further = [...extended.filter((beam) => !beam.ended), ...ended];
    // Fewer continuations than beams: the others are there in name only.
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

  /** True while a running beam may come to a better score than the worst that has finished. */
  #canImprove(): boolean {
    const { numBeams, earlyStopping, lengthPenalty, maxNewTokens } = this.#settings;
    const full = this.#finished.length === numBeams;
    if (full && earlyStopping === true) return false;
    const [{ tokens, score }] = this.running;
    const length = earlyStopping === "never" && lengthPenalty > 0 ? maxNewTokens : tokens.length;
    return this.#perLength(score, length) > (full ? this.#finished[numBeams - 1].score : hopeless);
  }
}
