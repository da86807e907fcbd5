import type { OptionKeys } from "@lowrank/core/internal";

/** Names of the metrics that `evaluate` supports. */
export type MetricName = "accuracy" | "precision" | "recall" | "f1" | "f1Macro" | "f1Micro" | "exactMatch";

/** A model's predictions and the true labels. Both have one array for each example. */
export interface EvalPrediction {
  /**
   * For sequence classifiers, the logits. For other models, the predicted token id or label index at each labelled
   * token.
   */
  readonly predictions: readonly (Float32Array | Int32Array)[];
  /** For sequence classifiers, the labels of the sequence. For other models, the label of each labelled token. */
  readonly labelIds: readonly (Float32Array | Int32Array)[];
}

/** Options for what to measure in addition to the loss. */
export interface MetricOptions {
  /**
   * Names of the metrics to compute. Default for classifiers: all. Default for other models: none, since computing them
   * requires the logits of all tokens, which take memory and time.
   */
  metrics?: readonly MetricName[];
  /** Computes additional metrics, by name, like `compute_metrics` of transformers. */
  computeMetrics?: (prediction: EvalPrediction) => Readonly<Record<string, number>>;
}

/** Names of all options of `MetricOptions`. */
export const metricKeys: OptionKeys<MetricOptions> = { metrics: true, computeMetrics: true };
