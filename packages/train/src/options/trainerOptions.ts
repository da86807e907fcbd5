import type { MatmulPrecision } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import type { WritablePlace } from "@lowrank/files";
import type { Optimizer, Schedule } from "@lowrank/nn";
import type { OnWarning } from "@lowrank/peft";
import type { AnyExample } from "../data/collateAny.ts";
import type { PaddingOptions } from "../data/paddingOptions.ts";
import type { Evaluation } from "../evaluation/evaluate.ts";
import type { MetricOptions } from "../evaluation/metrics/metricOptions.ts";
import type { OwnTask } from "../tasks/ownTask.ts";

/** The folder in which a `Trainer` saves `checkpoint-<step>`, and how often. */
export interface Checkpointing {
  /** A folder's path (Node only), or files: `opfsFiles("run")` in a page. */
  folder: WritablePlace;
  /** Steps between checkpoints. A checkpoint is also written after the last step. */
  every: number;
  /** The maximum number of checkpoints. The oldest are removed. Default: no limit. */
  saveTotalLimit?: number;
  /** Returns custom files to add to each checkpoint. */
  companions?: () => ReadonlyMap<string, Uint8Array | string>;
}

/** Optimisers that can be selected by name. */
export type OptimizerName = "adamw" | "adamw8bit" | "lion";

/** The setting that all optimisers have. */
export type RateSetting = { lr: number };

/** The evaluations of a training: what to measure, how often, and how. */
export interface EvaluationSettings<Example> extends MetricOptions {
  examples: readonly Example[];
  every?: number;
  /**
   * Returns further measurements of the current model, by name. They are added to `metrics` of each evaluation, for
   * `onEvaluation` and `metricForBestModel`.
   */
  measure?: () => Measures | Promise<Measures>;
}

/** Measurements by name. */
export type Measures = Readonly<Record<string, number>>;

/** Settings of any training. Names and defaults follow transformers' TrainingArguments. */
export interface TrainingSettings<Example> {
  /** Optimiser steps. Default: the number that `epochs` requires. */
  maxSteps?: number;
  /** Passes over the examples if `maxSteps` is missing. Default: 3. */
  epochs?: number;
  /** Examples in a forward pass. Default: 8. */
  batchSize?: number;
  /** Forward passes whose gradients make one step, weighted by their number of labels. Default: 1. */
  gradientAccumulationSteps?: number;
  /**
   * "adamw", "adamw8bit" (AdamW with 8-bit moments, as in bitsandbytes), "lion", or an optimiser that you created, with
   * its own groups and settings. Its learning rates are the peaks. Default: "adamw".
   */
  optimizer?: OptimizerName | Optimizer<RateSetting>;
  /** Peak learning rate. Required unless `optimizer` is an object. */
  learningRate?: number;
  /**
   * The learning rate schedule. A function returns the factor of the peak rate at each step, counted from 0. Default:
   * "linear", which falls to `minLr`.
   */
  schedule?: "constant" | "linear" | "cosine" | Schedule;
  /** The final learning rate of "linear" and "cosine". Default: 0. */
  minLr?: number;
  /** The same as a share of the peak. Set only one of the two. */
  minLrRate?: number;
  /** Steps over which the rate rises from 0. Default: 0. */
  warmupSteps?: number;
  /** Decoupled weight decay. Default: 0. */
  weightDecay?: number;
  /** Default: [0.9, 0.999]; for Lion [0.9, 0.99]. */
  betas?: [number, number];
  /** Default: 1e-8. */
  eps?: number;
  /** Clips the gradients' norm to this value; 0 disables clipping. Default: 1. */
  maxGradNorm?: number;
  /** Seed for the order of examples. Default: 0. */
  seed?: number;
  /** Shuffles the examples in each epoch. Default: true. */
  shuffle?: boolean;
  /** Groups examples of similar length into batches, which reduces padding. Default: false. */
  groupByLength?: boolean;
  /**
   * Adds uniform noise of at most alpha / sqrt(tokens * width) to token embeddings during training (NEFTune). Typical
   * values are 5 to 15. Default: 0. Jain et al. 2023, https://arxiv.org/abs/2310.05914
   */
  neftuneNoiseAlpha?: number;
  /**
   * The precision of products with frozen weights. It remains set after the training. Default: the value of
   * `setFloat32MatmulPrecision`.
   */
  precision?: MatmulPrecision;
  /** Evaluates before the first step, every `every` steps (default: never) and after the last. */
  evaluation?: EvaluationSettings<Example>;
  /**
   * Restores the weights of the best evaluation at the end. A copy of them is kept in memory and in each checkpoint.
   * Default: false.
   */
  loadBestModelAtEnd?: boolean;
  /** The metric that determines the best evaluation. Default: "loss". */
  metricForBestModel?: string;
  /** Default: false for "loss" and "perplexity", true for others. */
  greaterIsBetter?: boolean;
  /** Stops the run after this many successive evaluations without improvement. */
  earlyStoppingPatience?: number;
  /** The minimum improvement over the best evaluation that counts. Default: 0. */
  earlyStoppingThreshold?: number;
  checkpoints?: Checkpointing;
  /** Called after each step, and awaited. */
  onStep?: (report: StepReport) => unknown;
  /** Called after each evaluation, and awaited. */
  onEvaluation?: (step: number, evaluation: Evaluation) => unknown;
  /**
   * Receives warnings: `incomplete-checkpoint` if `resume` skips an incomplete one, and `changed-run` if it resumes
   * with other options due to `allowChanges`. Default: they are printed.
   */
  onWarning?: OnWarning;
  /**
   * Aborts the training. The current step is discarded at its next batch. `train` then writes a checkpoint if
   * `checkpoints` is set, and returns the results so far with `aborted: true`.
   */
  signal?: AbortSignal;
}

/** Settings of a `Trainer` for a model that predicts tokens or classes. */
export interface TrainerOptions extends TrainingSettings<AnyExample>, PaddingOptions {}

/** Names of all settings of any training. */
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

/** Names of all settings of evaluations during training. */
export const evaluationKeys: OptionKeys<Partial<NonNullable<TrainingSettings<unknown>["evaluation"]>>> = {
  examples: true,
  every: true,
  metrics: true,
  computeMetrics: true,
  measure: true,
};

/** Names of all settings of checkpoints. */
export const checkpointKeys: OptionKeys<Partial<Checkpointing>> = {
  ...({ folder: true, every: true, saveTotalLimit: true, companions: true } as const),
};

/** Settings of a `Trainer` for any module, with a custom collator and loss. */
export interface OwnTrainerOptions<Model, Example, Batch>
  extends TrainingSettings<Example>,
    OwnTask<Model, Example, Batch> {}

/** Report of one optimiser step. */
export interface StepReport {
  /** Step number, from 1. */
  step: number;
  maxSteps: number;
  /** Mean over the step's labels, cross-entropy in nats; with a custom loss, mean over its examples. */
  loss: number;
  /** Learning rate of the optimiser's first group. */
  learningRate: number;
  /** L2 norm of all gradients before clipping. */
  gradNorm: number;
  /** Processed tokens, including padding; 0 with a custom collator. */
  tokens: number;
  /** Wall time of the step. */
  seconds: number;
}

/** The step of the best evaluation, and its metric. */
export interface BestEvaluation {
  step: number;
  metric: number;
}

/** The result of `train`. */
export interface TrainingResult {
  /** Completed steps, including those before a resumption. */
  steps: number;
  /** Mean loss of each step of this run. */
  losses: number[];
  /** Tokens processed in this run, including padding, and the wall time of its steps. */
  tokens: number;
  seconds: number;
  /** Number of examples truncated to `maxLength`. */
  truncatedExamples: number;
  evaluations: { step: number; evaluation: Evaluation }[];
  /** The best evaluation after the first step, if an option requests it; otherwise null. */
  best: BestEvaluation | null;
  /** True if `earlyStoppingPatience` ended the run. */
  stoppedEarly: boolean;
  /** True if the signal ended the run. Weights and moments are those after `steps` steps. */
  aborted: boolean;
}
