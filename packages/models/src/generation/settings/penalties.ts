import {
  type Backend,
  indexSelect,
  keep,
  noGrad,
  scatterAdd,
  scope,
  type Tensor,
  to,
  where,
  zeros,
} from "@lowrank/core";

/** Settings that lower the logits of tokens that have occurred before. */
export interface PenaltyOptions {
  /**
   * Positive logits of tokens in the prompt or the new text are divided by this value, negative ones multiplied by it
   * (CTRL, arXiv 1909.05858). Default 1: no penalty.
   */
  repetitionPenalty?: number;
  /** Subtracted from a token's logit once per occurrence in the new text. Default 0. */
  frequencyPenalty?: number;
  /** Subtracted from the logit of each token that occurs in the new text. Default 0. */
  presencePenalty?: number;
}

/** Penalties with all fields set. */
export type PenaltySettings = Readonly<Required<PenaltyOptions>>;

/**
 * Returns the penalties. A missing penalty gets the value at which it has no effect: 1 for `repetitionPenalty`,
 * otherwise 0.
 */
export function penaltySettings({
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
}: PenaltyOptions): PenaltySettings {
  return { repetitionPenalty, frequencyPenalty, presencePenalty };
}

/** Throws if a penalty has an invalid value. */
export function checkPenalties({ repetitionPenalty, ...others }: PenaltySettings): void {
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity)) {
    throw new Error(`repetitionPenalty is ${repetitionPenalty}; expected a positive number (1 is none)`);
  }
  for (const name of ["frequencyPenalty", "presencePenalty"] as const) {
    const { [name]: penalty } = others;
    if (!Number.isFinite(penalty)) throw new Error(`${name} is ${penalty}; expected a number (0 is none)`);
  }
}

/** Counts the tokens of each sequence on the model's backend, and lowers logits according to the counts. */
export class Penalties implements Disposable {
  readonly #repetition: number;
  readonly #frequency: number;
  readonly #presence: number;
  /** Occurrences of each token in the prompt and the new text, f32 [B, V]; null if no penalty uses them. */
  #seen: Tensor | null;
  /** Occurrences of each token in the new text only, f32 [B, V]; null if no penalty uses them. */
  #generated: Tensor | null;

  constructor(settings: PenaltySettings, shape: readonly [rows: number, vocabSize: number], backend: Backend) {
    checkPenalties(settings);
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = settings;
    this.#repetition = repetitionPenalty;
    this.#frequency = frequencyPenalty;
    this.#presence = presencePenalty;
    const counts = (wanted: boolean) => (wanted ? keep(zeros(shape, { backend })) : null);
    this.#seen = counts(repetitionPenalty !== 1);
    this.#generated = counts(frequencyPenalty !== 0 || presencePenalty !== 0);
  }

  /** True if any penalty is set. */
  get any(): boolean {
    return this.#seen !== null || this.#generated !== null;
  }

  /** Counts the tokens of the prompts, i32 [B, T]; `mask` [B, T] is 0 on padding. */
  countPrompt(ids: Tensor, mask: Tensor): void {
    this.#seen = counted(this.#seen, ids, mask);
  }

  /** Counts a new token of each sequence, i32 [B, 1]; `mask` [B, 1] is 0 for sequences that have ended. */
  countToken(ids: Tensor, mask: Tensor): void {
    this.#seen = counted(this.#seen, ids, mask);
    this.#generated = counted(this.#generated, ids, mask);
  }

  /** Returns the logits f32 [B, V] with penalties applied; the same tensor if no penalty is set. */
  apply(logits: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        let x = logits;
        if (this.#seen) {
          const repeated = where(x.gt(0), x.div(this.#repetition), x.mul(this.#repetition));
          x = where(this.#seen.gt(0), repeated, x);
        }
        if (this.#generated && this.#frequency !== 0) x = x.sub(this.#generated.mul(this.#frequency));
        if (this.#generated && this.#presence !== 0) x = where(this.#generated.gt(0), x.sub(this.#presence), x);
        return x;
      }),
    );
  }

  /** Replaces the counts of each row i by a copy of the counts of row `from[i]`; `from` is i32. */
  select(from: Tensor): void {
    this.#seen = selected(this.#seen, from);
    this.#generated = selected(this.#generated, from);
  }

  dispose(): void {
    this.#seen?.dispose();
    this.#generated?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Returns the counts after adding the tokens `ids` [B, T]; tokens at which `mask` is 0 are not counted. Disposes of the
 * old counts.
 */
function counted(counts: Tensor | null, ids: Tensor, mask: Tensor): Tensor | null {
  if (!counts) return null;
  const added = noGrad(() => scope(() => scatterAdd(counts, ids, to(mask, { dtype: "f32" }), { dim: 1 })));
  counts.dispose();
  return keep(added);
}

function selected(counts: Tensor | null, rows: Tensor): Tensor | null {
  if (!counts) return null;
  const taken = noGrad(() => keep(indexSelect(counts, rows, { dim: 0 })));
  counts.dispose();
  return taken;
}
