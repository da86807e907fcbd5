import { copyInto, fromBytes, noGrad, OptionError, type SafetensorsTensor, type Tensor } from "@lowrank/core";
import type { TrainableModule } from "../data/batches/modelBatch.ts";
import type { Evaluation } from "../evaluation/evaluate.ts";
import type { BestEvaluation, BestOptions } from "../options/trainerOptions.ts";

/** Record of a run's evaluations. Checkpoints store it. */
export interface BestState {
  best: BestEvaluation | null;
  /** Number of evaluations since the last one that improved the metric by more than `earlyStoppingThreshold`. */
  failures: number;
  /** The step of the last recorded evaluation; 0 before the first. */
  seen: number;
}

/**
 * Remembers a run's best evaluation and a copy of its weights. Decides when to stop the run early, by the rules of
 * transformers' `EarlyStoppingCallback`.
 */
export class BestModel {
  readonly #metric: string;
  readonly #greaterIsBetter: boolean;
  readonly #patience: number;
  readonly #threshold: number;
  readonly #keeps: boolean;
  #state: BestState = { best: null, failures: 0, seen: 0 };
  #weights: readonly SafetensorsTensor[] = [];

  /**
   * Throws if options have invalid values, or if `evaluation` lacks `every`: without evaluations during training, these
   * options would have no effect. Also throws if `loadBestModelAtEnd` is set and the model's ranks change during
   * training.
   */
  constructor(options: BestOptions, model: Pick<TrainableModule, "allocationState">) {
    const { loadBestModelAtEnd = false, metricForBestModel = "loss", evaluation } = options;
    const { earlyStoppingPatience = Number.POSITIVE_INFINITY, earlyStoppingThreshold = 0 } = options;
    const lower = ["loss", "perplexity"].includes(metricForBestModel);
    if (!evaluation?.every) {
      const name = loadBestModelAtEnd ? "loadBestModelAtEnd" : "earlyStoppingPatience";
      const problem = "needs evaluations during training; give evaluation: { examples, every }";
      throw new OptionError("Trainer", name, options[name], problem);
    }
    const isCount = earlyStoppingPatience === Number.POSITIVE_INFINITY || Number.isSafeInteger(earlyStoppingPatience);
    if (!isCount || earlyStoppingPatience < 1) {
      const problem = `is ${earlyStoppingPatience}; give a number of evaluations of at least 1`;
      throw new OptionError("Trainer", "earlyStoppingPatience", earlyStoppingPatience, problem);
    }
    if (!(earlyStoppingThreshold >= 0)) {
      const problem = `is ${earlyStoppingThreshold}; give a number of at least 0`;
      throw new OptionError("Trainer", "earlyStoppingThreshold", earlyStoppingThreshold, problem);
    }
    const ranks = model.allocationState?.() ?? new Map<string, Tensor>();
    for (const tensor of ranks.values()) tensor.dispose();
    if (loadBestModelAtEnd && ranks.size > 0) {
      const problem = "cannot restore a checkpoint after ranks were reallocated; leave it out";
      throw new OptionError("Trainer", "loadBestModelAtEnd", true, problem);
    }
    this.#metric = metricForBestModel;
    this.#greaterIsBetter = options.greaterIsBetter ?? !lower;
    this.#patience = earlyStoppingPatience;
    this.#threshold = earlyStoppingThreshold;
    this.#keeps = loadBestModelAtEnd;
  }

  get state(): BestState {
    return this.#state;
  }

  /** True after `earlyStoppingPatience` successive evaluations without improvement. */
  get stopped(): boolean {
    return this.#state.failures >= this.#patience;
  }

  /** The weights at the best evaluation. Empty before the first evaluation, and without `loadBestModelAtEnd`. */
  get weights(): readonly SafetensorsTensor[] {
    return this.#weights;
  }

  /** Restores the state and the weights that a checkpoint stored. */
  restore(state: BestState, weights: readonly SafetensorsTensor[]): void {
    this.#state = state;
    this.#weights = weights;
  }

  /**
   * Records an evaluation after step `step`, and copies the weights if it is the best so far. Ignores an evaluation
   * before the first step. Throws if the evaluation lacks the metric of `metricForBestModel`.
   */
  async observe(step: number, evaluation: Evaluation, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
    const metric = this.#valueOf(evaluation);
    if (step === 0) return;
    const { best, failures } = this.#state;
    const gain = best === null ? Number.POSITIVE_INFINITY : metric - best.metric;
    const better = best === null ? gain : this.#greaterIsBetter ? gain : -gain;
    // Any improvement makes an evaluation the best; the threshold only affects early stopping.
    this.#state = {
      best: better > 0 ? { step, metric } : best,
      failures: better > this.#threshold ? 0 : failures + 1,
      seen: step,
    };
    if (!this.#keeps || better <= 0) return;
    const weights: SafetensorsTensor[] = [];
    for (const [name, t] of tensors) {
      weights.push({ name, dtype: t.dtype, shape: t.shape, bytes: (await t.bytes()).slice() });
    }
    this.#weights = weights;
  }

  /** Copies the weights of the best evaluation into the model's tensors, by name. */
  load(tensors: ReadonlyMap<string, Tensor>): void {
    for (const { name, bytes, shape, dtype } of this.#weights) {
      const tensor = tensors.get(name) as Tensor;
      using value = fromBytes(bytes, shape, dtype as Tensor["dtype"], tensor.storage.backend);
      noGrad(() => copyInto(tensor, value));
    }
  }

  #valueOf(evaluation: Evaluation): number {
    const { metrics, ...named } = evaluation;
    const all: Readonly<Record<string, number | undefined>> = { ...named, ...metrics };
    const value = all[this.#metric];
    if (value !== undefined && !Number.isNaN(value)) return value;
    const names = Object.keys(all).filter((name) => name !== "labels");
    const found = value === undefined ? "is not a metric of the evaluations" : "is NaN in an evaluation";
    const problem = `"${this.#metric}" ${found}; available: ${names.join(", ")}`;
    throw new OptionError("Trainer", "metricForBestModel", this.#metric, problem);
  }
}
