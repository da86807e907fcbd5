import type { OptionKeys } from "@lowrank/core";

/** The metrics that `evaluate` knows by name. */
export type MetricName = "accuracy" | "precision" | "recall" | "f1" | "f1Macro" | "f1Micro" | "exactMatch";

/** The answers of a model to examples, and their labels, one entry for each example. */
export interface EvalPrediction {
  /**
   * Logits where sequences are classified; elsewhere the likeliest id, or label, of each labelled
   * token.
   */
  readonly predictions: readonly (Float32Array | Int32Array)[];
  /** The labels: of a sequence, or those of an example's labelled tokens. */
  readonly labelIds: readonly (Float32Array | Int32Array)[];
}

/** Options of what an evaluation measures beside the loss. */
export interface MetricOptions {
  /**
   * Metrics by name. Default: for classifiers all that they have; else none, since the logits of
   * all tokens take memory and time.
   */
  metrics?: readonly MetricName[];
  /** Returns further numbers by name, as `compute_metrics` of transformers. */
  computeMetrics?: (prediction: EvalPrediction) => Readonly<Record<string, number>>;
}

/** The names of all options of `MetricOptions`. */
export const metricKeys: OptionKeys<MetricOptions> = { metrics: true, computeMetrics: true };
