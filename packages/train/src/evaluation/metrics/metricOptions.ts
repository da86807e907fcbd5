import type { OptionKeys } from "@lowrank/core/internal";

/** Names of the metrics that `evaluate` supports. */
export type MetricName = "accuracy" | "precision" | "recall" | "f1" | "f1Macro" | "f1Micro" | "exactMatch";

/** A model's predictions and the labels, one entry for each example. */
export interface EvalPrediction {
  /** Logits for sequence classifiers; otherwise the predicted id, or label, of each labelled token. */
  readonly predictions: readonly (Float32Array | Int32Array)[];
  /** The labels of a sequence, or of an example's labelled tokens. */
  readonly labelIds: readonly (Float32Array | Int32Array)[];
}

/** Options for measurements in addition to the loss. */
export interface MetricOptions {
  /**
   * Names of metrics. Default: all for classifiers, none for other models, since the logits of all tokens take memory
   * and time.
   */
  metrics?: readonly MetricName[];
  /** Returns further metrics by name, like `compute_metrics` of transformers. */
  computeMetrics?: (prediction: EvalPrediction) => Readonly<Record<string, number>>;
}

/** Names of all options of `MetricOptions`. */
export const metricKeys: OptionKeys<MetricOptions> = { metrics: true, computeMetrics: true };
