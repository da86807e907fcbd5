import type { MatmulPrecision } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import type { WritablePlace } from "@lowrank/files";
import type { Optimizer, Schedule } from "@lowrank/nn";
import type { OnWarning } from "@lowrank/peft";
import type { AnyExample } from "../data/batches/collateAny.ts";
import type { PaddingOptions } from "../data/batches/modelBatch.ts";
import type { Evaluation } from "../evaluation/evaluate.ts";
import type { MetricOptions } from "../evaluation/metrics/metricOptions.ts";
import type { OwnTask } from "../tasks/ownTask.ts";

/** The place where a `Trainer` saves its checkpoints (folders `checkpoint-<step>`), and how often. */
export interface Checkpointing {
  /** The path of a folder (Node only), or writable files such as `opfsFiles("run")` in a web page. */
  folder: WritablePlace;
  /** Number of steps between checkpoints. One is also written after the last step. */
  every: number;
  /** Maximum number of checkpoints to keep. Older ones are removed. Default: no limit. */
  saveTotalLimit?: number;
  /** Returns additional files, by name, to store in each checkpoint. */
  companions?: () => ReadonlyMap<string, Uint8Array | string>;
}

/** Optimisers that can be selected by name. */
export type OptimizerName = "adamw" | "adamw8bit" | "lion" | "adafactor" | "muon";

/** The setting that every optimiser has: the learning rate. */
export type RateSetting = { lr: number };

/** Settings of evaluations during training: the examples, the number of steps between evaluations, and the metrics. */
export interface EvaluationSettings<Example> extends MetricOptions {
  examples: readonly Example[];
  every?: number;
  /**
   * Takes additional measurements of the current model. The results are added to each evaluation's `metrics`, so that
   * `onEvaluation` and `metricForBestModel` can use them.
   */
  measure?: () => Measures | Promise<Measures>;
}

/** Results of custom measurements, by name. */
export type Measures = Readonly<Record<string, number>>;

/**
 * Options of every training. Names and defaults follow transformers' TrainingArguments. `lowrank train` has the same
 * defaults, except that it has a learning rate for each method and keeps a tenth of the data for evaluations.
 */
export interface TrainingSettings<Example> {
  /** Number of optimiser steps. Default: as many as `epochs` requires. */
  maxSteps?: number;
  /** Number of passes over the examples, if `maxSteps` is not set. Default: 3. */
  epochs?: number;
  /** Number of examples in a forward pass. Default: 8. */
  batchSize?: number;
  /**
   * Number of forward passes whose gradients are added up for one optimiser step. Each pass is weighted by its share of
   * the labels. Default: 1.
   */
  gradientAccumulationSteps?: number;
  /**
   * "adamw", "adamw8bit" (AdamW with 8-bit moments, as in bitsandbytes), "lion", "adafactor", "muon" (which trains
   * matrices alone, with AdamW's learning rates: `adjustLrFn: "match_rms_adamw"`), or an optimiser object with its own
   * parameter groups and settings. The object's learning rates are the peak rates. Default: "adamw".
   */
  optimizer?: OptimizerName | Optimizer<RateSetting>;
  /** Peak learning rate. Required unless `optimizer` is an object. */
  learningRate?: number;
  /**
   * Schedule of the learning rate. A function gets the step (counted from 0) and returns the factor by which the peak
   * rate is multiplied. Default: "linear", which falls from the peak to `minLr`.
   */
  schedule?: "constant" | "linear" | "cosine" | Schedule;
  /** The final learning rate of "linear" and "cosine". Default: 0. */
  minLr?: number;
  /** The final learning rate of "linear" and "cosine" as a fraction of the peak rate. Set either this or `minLr`. */
  minLrRate?: number;
  /** Number of steps at the beginning during which the learning rate rises from 0. Default: 0. */
  warmupSteps?: number;
  /** Decoupled weight decay. Default: 0. */
  weightDecay?: number;
  /**
   * Decay rates of the moving averages of gradients and of their squares. Default: [0.9, 0.999]; for Lion [0.9, 0.99].
   */
  betas?: [number, number];
  /** Added to the denominator of Adam's update. Default: 1e-8. */
  eps?: number;
  /** Scales gradients down if their L2 norm is larger than this value. 0: never. Default: 1. */
  maxGradNorm?: number;
  /** Seed for the random order of the examples. Default: 0. */
  seed?: number;
  /** Shuffles the examples in each epoch. Default: true. */
  shuffle?: boolean;
  /** Makes batches of examples of similar length, which reduces padding. Default: false. */
  groupByLength?: boolean;
  /**
   * Adds uniform noise of at most alpha / sqrt(tokens * width) to token embeddings during training (NEFTune). Typical
   * values are 5 to 15. Default: 0. Jain et al. 2023, https://arxiv.org/abs/2310.05914
   */
  neftuneNoiseAlpha?: number;
  /**
   * The precision of matrix products with frozen weights. The setting stays in effect after training. Default: the
   * current value of `setFloat32MatmulPrecision`.
   */
  precision?: MatmulPrecision;
  /**
   * Evaluates before the first step and after the last step. If `every` is set, also evaluates after every `every`
   * steps.
   */
  evaluation?: EvaluationSettings<Example>;
  /**
   * Restores the weights of the best evaluation at the end. A copy of these weights is kept in memory and in each
   * checkpoint. Default: false.
   */
  loadBestModelAtEnd?: boolean;
  /** The metric that determines the best evaluation. Default: "loss". */
  metricForBestModel?: string;
  /**
   * True if a greater value of `metricForBestModel` is better. Default: false for "loss" and "perplexity", true for
   * other metrics.
   */
  greaterIsBetter?: boolean;
  /** Stops the run after this many successive evaluations without improvement. Default: the run does not stop early. */
  earlyStoppingPatience?: number;
  /**
   * For early stopping, the smallest change of the metric that counts as an improvement over the best evaluation.
   * Default: 0.
   */
  earlyStoppingThreshold?: number;
  checkpoints?: Checkpointing;
  /** Called after each step. The trainer waits for a returned promise. */
  onStep?: (report: StepReport) => unknown;
  /** Called after each evaluation. The trainer waits for a returned promise. */
  onEvaluation?: (step: number, evaluation: Evaluation) => unknown;
  /**
   * Called with each warning. Code `incomplete-checkpoint`: `resume` skipped an incomplete checkpoint. Code
   * `changed-run`: `resume` continued a run with other options, data, model or arithmetic, since `allowChanges` is
   * true. Default: prints warnings to the console.
   */
  onWarning?: OnWarning;
  /**
   * Aborts the training. A step that is in progress stops after its current batch and is discarded. `train` then writes
   * a checkpoint if `checkpoints` is set, and returns the results so far with `aborted: true`.
   */
  signal?: AbortSignal;
}

/** Options of a `Trainer` for a model that predicts tokens or classes. */
export interface TrainerOptions extends TrainingSettings<AnyExample>, PaddingOptions {}

/** Names of all options of `TrainingSettings`. */
export const trainingKeys: OptionKeys<TrainingSettings<unknown>> = {
  ...({ maxSteps: true, epochs: true, batchSize: true, gradientAccumulationSteps: true } as const),
  ...({ optimizer: true, learningRate: true, schedule: true, warmupSteps: true, weightDecay: true } as const),
  ...({ betas: true, eps: true, maxGradNorm: true, seed: true, shuffle: true, groupByLength: true } as const),
  ...({ minLr: true, minLrRate: true, neftuneNoiseAlpha: true, loadBestModelAtEnd: true } as const),
  ...({ metricForBestModel: true, greaterIsBetter: true, precision: true } as const),
  ...({ earlyStoppingPatience: true, earlyStoppingThreshold: true } as const),
  ...({ evaluation: true, checkpoints: true, onStep: true, onEvaluation: true, onWarning: true } as const),
  signal: true,
};

/** Names of all options of `EvaluationSettings`. */
export const evaluationKeys: OptionKeys<Partial<NonNullable<TrainingSettings<unknown>["evaluation"]>>> = {
  ...({ examples: true, every: true, metrics: true, computeMetrics: true, measure: true } as const),
};

/** Names of all options of `Checkpointing`. */
export const checkpointKeys: OptionKeys<Partial<Checkpointing>> = {
  ...({ folder: true, every: true, saveTotalLimit: true, companions: true } as const),
};

/** Options of a `Trainer` for any module, with a custom collator and loss. */
export interface OwnTrainerOptions<Model, Example, Batch>
  extends TrainingSettings<Example>,
    OwnTask<Model, Example, Batch> {}

/** Measurements that `onStep` receives after each optimiser step. */
export interface StepReport {
  /** Number of the step, counted from 1. */
  step: number;
  maxSteps: number;
  /**
   * Mean loss over the labels of the step, as cross-entropy in nats. With a custom loss, the mean over the examples of
   * the step.
   */
  loss: number;
  /** Learning rate of the optimiser's first parameter group. */
  learningRate: number;
  /** L2 norm of all gradients before clipping. */
  gradNorm: number;
  /**
   * Number of tokens in the step's batches, including padding. With a custom collator, it is 0 unless the task has a
   * function `tokens` that counts them.
   */
  tokens: number;
  /** Wall time of the step in seconds. */
  seconds: number;
}

/** The step after which the best evaluation was made, and its value of `metricForBestModel`. */
export interface BestEvaluation {
  step: number;
  metric: number;
}

/** The result of `train`. */
export interface TrainingResult {
  /** Number of completed steps, including steps before the run was resumed. */
  steps: number;
  /** Mean loss of each step since the run was started or resumed. */
  losses: number[];
  /** Number of tokens processed since the run was started or resumed, including padding. */
  tokens: number;
  /** Wall time, in seconds, of the steps since the run was started or resumed. */
  seconds: number;
  /** Number of examples truncated to `maxLength`. */
  truncatedExamples: number;
  evaluations: { step: number; evaluation: Evaluation }[];
  /**
   * The best evaluation of the run. The evaluation before the first step does not count. Null unless
   * `loadBestModelAtEnd` or `earlyStoppingPatience` is set.
   */
  best: BestEvaluation | null;
  /** True if `earlyStoppingPatience` ended the run. */
  stoppedEarly: boolean;
  /** True if the signal ended the run. Weights and optimiser state are then as they were after `steps` steps. */
  aborted: boolean;
}

/** The training options that use the best evaluation of a run. */
export type BestOptions = Pick<
  TrainingSettings<unknown>,
  | "evaluation"
  | "loadBestModelAtEnd"
  | "metricForBestModel"
  | "greaterIsBetter"
  | "earlyStoppingPatience"
  | "earlyStoppingThreshold"
>;

/** Returns true if an option needs the best evaluation: `loadBestModelAtEnd` or `earlyStoppingPatience`. */
export function recordsBest(options: BestOptions): boolean {
  return options.loadBestModelAtEnd === true || options.earlyStoppingPatience !== undefined;
}
