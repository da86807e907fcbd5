import type { MatmulPrecision, OptionKeys } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import type { Optimizer, Schedule } from "@lowrank/nn";
import type { OnWarning } from "@lowrank/peft";
import type { AnyExample } from "../data/collateAny.ts";
import type { PaddingOptions } from "../data/paddingOptions.ts";
import type { Evaluation } from "../evaluation/evaluate.ts";
import type { MetricOptions } from "../evaluation/metrics/metricOptions.ts";
import type { OwnTask } from "../tasks/ownTask.ts";

/** The place in which a `Trainer` saves itself as `checkpoint-<step>`, and how often. */
export interface Checkpointing {
  /** A folder by its path (Node only), or files: `opfsFiles("run")` in a page. */
  folder: WritablePlace;
  /** Steps between checkpoints; one is written after the last step too. */
  every: number;
  /** The most checkpoints that are kept; those of the fewest steps are removed. Default: all. */
  saveTotalLimit?: number;
  /** Files of your own for each checkpoint, asked for when it is written. */
  companions?: () => ReadonlyMap<string, Uint8Array | string>;
}

/** The optimisers that options name. */
export type OptimizerName = "adamw" | "adamw8bit" | "lion";

/** The setting that all optimisers have. */
export type RateSetting = { lr: number };

/** The evaluations of a training: what is measured, how often, and how. */
export interface EvaluationSettings<Example> extends MetricOptions {
  examples: readonly Example[];
  every?: number;
  /**
   * Gives further numbers of the model as it is, by their names, in each evaluation. They are in
   * its `metrics`, for `onEvaluation` and `metricForBestModel`.
   */
  measure?: () => Measures | Promise<Measures>;
}

/** Measurements by their names. */
export type Measures = Readonly<Record<string, number>>;

/** Settings of any training; names and defaults follow transformers' TrainingArguments. */
export interface TrainingSettings<Example> {
  /** Optimiser steps; default: as many as `epochs` takes. */
  maxSteps?: number;
  /** Passes over the examples where `maxSteps` is not given. Default 3. */
  epochs?: number;
  /** Examples in a forward pass. Default 8. */
  batchSize?: number;
  /** Forward passes whose gradients make one step, weighted by their labels. Default 1. */
  gradientAccumulationSteps?: number;
  /**
   * AdamW, AdamW with moments of 8 bits, as bitsandbytes has it, Lion, or an optimiser that you
   * made, with groups and settings of its own: their learning rates are the peaks. Default "adamw".
   */
  optimizer?: OptimizerName | Optimizer<RateSetting>;
  /** Peak learning rate; needed unless `optimizer` brings its own. */
  learningRate?: number;
  /**
   * Default "linear": down to `minLr` over the steps. A function of your own gives the factor of
   * the peak rate at each step, counted from 0.
   */
  schedule?: "constant" | "linear" | "cosine" | Schedule;
  /** The learning rate at the end of "linear" and "cosine". Default 0. */
  minLr?: number;
  /** The same as a share of the peak. Give one of the two. */
  minLrRate?: number;
  /** Steps over which the rate rises from 0. Default 0. */
  warmupSteps?: number;
  /** Decoupled weight decay. Default 0. */
  weightDecay?: number;
  /** Default [0.9, 0.999]; of Lion [0.9, 0.99]. */
  betas?: [number, number];
  /** Default 1e-8. */
  eps?: number;
  /** The gradients' norm is scaled down to this; 0 leaves it. Default 1. */
  maxGradNorm?: number;
  /** Orders the examples. Default 0. */
  seed?: number;
  /** Draw the examples in a new order each epoch. Default true. */
  shuffle?: boolean;
  /** Put examples of about equal length into a batch, which saves padding. Default false. */
  groupByLength?: boolean;
  /**
   * Adds uniform noise to token embeddings while training, at most alpha / sqrt(tokens * width)
   * large: NEFTune. Usual are 5 to 15; default 0. Jain et al. 2023,
   * https://arxiv.org/abs/2310.05914
   */
  neftuneNoiseAlpha?: number;
  /**
   * The precision of products with frozen weights, which these keep after the training. Default:
   * what `setFloat32MatmulPrecision` has set.
   */
  precision?: MatmulPrecision;
  /** Measured before the first step, every `every` steps (default: never) and after the last. */
  evaluation?: EvaluationSettings<Example>;
  /**
   * Ends the run with the weights of its best evaluation in the place of its last ones. Their copy
   * is in memory, and in each checkpoint. Default false.
   */
  loadBestModelAtEnd?: boolean;
  /** The number of an evaluation by which it is the best. Default "loss". */
  metricForBestModel?: string;
  /** Default: false for "loss" and "perplexity", true for others. */
  greaterIsBetter?: boolean;
  /** Stops the run after so many evaluations, one after the other, that are no better. */
  earlyStoppingPatience?: number;
  /** By how much an evaluation must be better than the best to count as better. Default 0. */
  earlyStoppingThreshold?: number;
  checkpoints?: Checkpointing;
  /** Called after each step, and awaited. */
  onStep?: (report: StepReport) => unknown;
  /** Called after each evaluation, and awaited. */
  onEvaluation?: (step: number, evaluation: Evaluation) => unknown;
  /**
   * Takes warnings: `incomplete-checkpoint` where `resume` skips one that was half-written, and
   * `changed-run` where it goes on with other options by `allowChanges`. Default: they are printed.
   */
  onWarning?: OnWarning;
  /**
   * Ends the training: the running step is dropped at its next batch. `train` then returns the
   * results so far, with `aborted`, after writing a checkpoint where they are asked for.
   */
  signal?: AbortSignal;
}

/** Settings of a `Trainer` of a model that predicts tokens or classes. */
export interface TrainerOptions extends TrainingSettings<AnyExample>, PaddingOptions {}

/** The names of all settings of any training. */
export const trainingKeys: OptionKeys<TrainingSettings<unknown>> = {
  ...({ maxSteps: true, epochs: true, batchSize: true, gradientAccumulationSteps: true } as const),
  ...({ optimizer: true, learningRate: true, schedule: true, warmupSteps: true, weightDecay: true } as const),
  ...({ betas: true, eps: true, maxGradNorm: true, seed: true, shuffle: true, groupByLength: true } as const),
  ...({ minLr: true, minLrRate: true, neftuneNoiseAlpha: true, loadBestModelAtEnd: true } as const),
  ...({ metricForBestModel: true, greaterIsBetter: true, precision: true } as const),
  ...({ earlyStoppingPatience: true, earlyStoppingThreshold: true } as const),
  ...({
    evaluation: true,
    checkpoints: true,
    onStep: true,
    onEvaluation: true,
    onWarning: true,
    signal: true,
  } as const),
};

/** The names of all settings of an evaluation while training. */
export const evaluationKeys: OptionKeys<Partial<NonNullable<TrainingSettings<unknown>["evaluation"]>>> = {
  examples: true,
  every: true,
  metrics: true,
  computeMetrics: true,
  measure: true,
};

/** The names of all settings of checkpoints. */
export const checkpointKeys: OptionKeys<Partial<Checkpointing>> = {
  ...({ folder: true, every: true, saveTotalLimit: true, companions: true } as const),
};

/** Settings of a `Trainer` of any module, with a collator and a loss. */
export interface OwnTrainerOptions<Model, Example, Batch>
  extends TrainingSettings<Example>,
    OwnTask<Model, Example, Batch> {}

/** One optimiser step. */
export interface StepReport {
  /** Counted from 1. */
  step: number;
  maxSteps: number;
  /** Mean over the step's labels, cross-entropy in nats, or over its examples by your loss. */
  loss: number;
  /** Of the optimiser's first group. */
  learningRate: number;
  /** L2 norm of all gradients before clipping. */
  gradNorm: number;
  /** Tokens run, padding included; 0 with a collator of your own. */
  tokens: number;
  /** Wall time of the step. */
  seconds: number;
}

/** The step after which an evaluation was the best, and its number. */
export interface BestEvaluation {
  step: number;
  metric: number;
}

/** The outcome of `train`. */
export interface TrainingResult {
  /** Steps done in all, those before a resumption included. */
  steps: number;
  /** Mean loss of each step of this run. */
  losses: number[];
  /** Tokens run in this run, padding included, and the wall time of its steps. */
  tokens: number;
  seconds: number;
  /** Examples that were cut to `maxLength`. */
  truncatedExamples: number;
  evaluations: { step: number; evaluation: Evaluation }[];
  /** The best evaluation after the first step, where an option asks for it; else null. */
  best: BestEvaluation | null;
  /** True if `earlyStoppingPatience` ended it. */
  stoppedEarly: boolean;
  /** True if the signal ended it: `steps` steps are done, and weights and moments are theirs. */
  aborted: boolean;
}
