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

/** Settings that make tokens less likely, or likelier, for having come before. */
export interface PenaltyOptions {
  /**
   * Divides the positive logits of tokens in the prompt or the new text and multiplies the negative
   * ones (CTRL, arXiv 1909.05858). Default 1: none.
   */
  repetitionPenalty?: number;
  /** Is taken from a token's logit once for each time that it came in the new text. Default 0. */
  frequencyPenalty?: number;
  /** Is taken from the logit of each token that came in the new text. Default 0. */
  presencePenalty?: number;
}

/** Penalties of which each is given. */
export type PenaltySettings = Readonly<Required<PenaltyOptions>>;

/** Returns penalties with those that are not given at their neutral values. */
export function penaltySettings({
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
}: PenaltyOptions): PenaltySettings {
  return { repetitionPenalty, frequencyPenalty, presencePenalty };
}

/** Throws for a penalty out of its range. */
export function checkPenalties({ repetitionPenalty, ...others }: PenaltySettings): void {
  if (!(repetitionPenalty > 0 && repetitionPenalty < Infinity)) {
    throw new Error(`repetitionPenalty is ${repetitionPenalty}; expected a positive number (1 is none)`);
  }
  for (const name of ["frequencyPenalty", "presencePenalty"] as const) {
    const { [name]: penalty } = others;
    if (!Number.isFinite(penalty)) throw new Error(`${name} is ${penalty}; expected a number (0 is none)`);
  }
}

/** Counts the tokens of each sequence, where the model runs, and changes logits by the counts. */
export class Penalties implements Disposable {
  readonly #repetition: number;
  readonly #frequency: number;
  readonly #presence: number;
  /** Counts of each token, f32 [B, V]: in prompt and new text, and in the new text alone. */
  #seen: Tensor | null;
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

  /** True where any penalty is set. */
  get any(): boolean {
    return this.#seen !== null || this.#generated !== null;
  }

  /** Counts the prompts, i32 [B, T]; `mask` [B, T] is 0 on padding. */
  countPrompt(ids: Tensor, mask: Tensor): void {
    this.#seen = counted(this.#seen, ids, mask);
  }

  /**
   * Counts a new token of each sequence, i32 [B, 1]; `mask` [B, 1] is 0 for those that have ended.
   */
  countToken(ids: Tensor, mask: Tensor): void {
    this.#seen = counted(this.#seen, ids, mask);
    this.#generated = counted(this.#generated, ids, mask);
  }

  /** The logits f32 [B, V] under the penalties; the same tensor where there are none. */
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

  /** Row i goes on with the counts of row `from[i]`, i32. */
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

/** The counts with those of `ids` [B, T] added where `mask` is not 0; frees the old ones. */
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
