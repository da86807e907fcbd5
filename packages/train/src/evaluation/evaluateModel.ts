import {
  crossEntropy,
  noGrad,
  OptionError,
  reshape,
  scope,
  slice,
  type Tensor,
  withBackend,
  yieldIfDue,
} from "@lowrank/core";
import { argmaxTokens } from "@lowrank/core/internal";
import type { Batch } from "../data/batches/collate.ts";
import { type AnyExample, collateAny } from "../data/batches/collateAny.ts";
import type { SequenceBatch } from "../data/batches/collateSequences.ts";
import {
  backendOf,
  baseOf,
  labelCount,
  paddingOf,
  predictedLabels,
  type TrainableModel,
  toInputs,
  withRows,
} from "../data/batches/modelBatch.ts";
import { ignoreIndex } from "../data/tokens/ignoreIndex.ts";
import type { EvaluateOptions, Evaluation } from "./evaluate.ts";
import type { EvalPrediction, MetricOptions } from "./metrics/metricOptions.ts";
import { classMetrics, entityMetrics, labelMetrics, tokenMetrics } from "./metrics/metrics.ts";

type Row = Float32Array | Int32Array;

/** The results for one batch, as tensors on the model's backend. */
interface Answers {
  readonly loss: Tensor;
  /** The predictions or logits from which metrics are computed. Undefined if only the loss is needed. */
  readonly values?: Tensor;
}

/** Evaluation of one kind of model, such as a sequence classifier. */
interface Measure<B> {
  run(batch: B): Answers;
  /** Splits a batch's predictions (`values`) and its labels into one row for each example. */
  rows(batch: B, values: Row): { predictions: Row[]; labelIds: Row[] };
  metrics(answers: EvalPrediction): Record<string, number>;
}

/** Computes the loss and the requested metrics of a model that predicts tokens or classes. */
export async function evaluateModel(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { batchSize, signal, metrics: names, computeMetrics } = options;
  const padding = paddingOf(options, model);
  const measure = measureOf(model, options) as Measure<Batch | SequenceBatch>;
  const [predictions, labelIds]: [Row[], Row[]] = [[], []];
  let [sum, labels] = [0, 0];
  for (let at = 0; at < examples.length; at += batchSize) {
    await yieldIfDue(signal);
    model.eval();
    const batch = await collateAny(examples.slice(at, at + batchSize), padding);
    const count = labelCount(batch, model);
    if (count === 0) continue;
    labels += count;
    const run = () => noGrad(() => scope(() => withRows(model, batch, () => measure.run(batch))));
    const { loss, values } = withBackend(backendOf(model), run);
    sum += count * (await loss.item());
    loss.dispose();
    if (!values) continue;
    const rows = measure.rows(batch, (await values.data()) as Row);
    values.dispose();
    predictions.push(...rows.predictions);
    labelIds.push(...rows.labelIds);
  }
  if (labels === 0) {
    const types = baseOf(model).virtualTokens?.loss ? "; give inputTypeMask with types that are labels" : "";
    throw new Error(`evaluate: no token of these examples is labelled; nothing can be measured${types}`);
  }
  const measured = { loss: sum / labels, perplexity: Math.exp(sum / labels), labels };
  if (predictions.length === 0) return measured;
  const found = measure.metrics({ predictions, labelIds });
  return {
    ...measured,
    ...(names ? named(found, names) : found),
    ...(computeMetrics && { metrics: computeMetrics({ predictions, labelIds }) }),
  };
}

/**
 * Returns the metrics in `found` whose names are in `names`. Throws for a name that this kind of model does not
 * support.
 */
function named(found: Record<string, number>, names: readonly string[]): Record<string, number> {
  const other = names.find((name) => !Object.hasOwn(found, name));
  if (other === undefined) return Object.fromEntries(names.map((name) => [name, found[name]]));
  const known = Object.keys(found).join(", ") || "none";
  const problem = `lists "${other}", which is not available for this model; available: ${known}`;
  throw new OptionError("evaluate", "metrics", names, problem);
}

function measureOf(model: TrainableModel, options: MetricOptions): Measure<never> {
  const { problemType, classifiesTokens, config } = baseOf(model);
  if (problemType !== undefined) return sequenceMeasure(model, problemType);
  if (classifiesTokens) return tokenMeasure(model, 0, (answers) => entityMetrics(answers, config?.labels ?? []));
  return options.metrics?.length || options.computeMetrics ? tokenMeasure(model, 1, tokenMetrics) : lossMeasure(model);
}

/** Measures only the loss, so that the logits of all tokens need not be kept. */
function lossMeasure(model: TrainableModel): Measure<Batch> {
  return {
    run: (batch) => ({ loss: model.loss(toInputs(batch, model)) }),
    rows: () => ({ predictions: [], labelIds: [] }),
    metrics: () => ({}),
  };
}

type WithLogits = { forward(inputs: object): { logits: Tensor; loss: Tensor } };

const metricsOf: Readonly<Record<string, Measure<never>["metrics"]>> = {
  single_label_classification: classMetrics,
  multi_label_classification: labelMetrics,
};

function sequenceMeasure(model: TrainableModel, problemType: string): Measure<SequenceBatch> {
  return {
    run: (batch) => {
      const { logits, loss } = (model as unknown as WithLogits).forward(toInputs(batch, model));
      return { loss, values: logits };
    },
    rows: ({ batchSize, labels }, values) => ({
      predictions: divided(values, batchSize),
      labelIds: divided(labels, batchSize),
    }),
    metrics: metricsOf[problemType] ?? (() => ({})),
  };
}

/**
 * Measures the loss and the predicted tokens or labels, from the logits of all positions. `ahead` is 1 if the logits of
 * a position predict the next token. It is 0 if they predict the label of the token at that position.
 */
function tokenMeasure(model: TrainableModel, ahead: 0 | 1, metrics: Measure<Batch>["metrics"]): Measure<Batch> {
  return {
    run: (batch) => {
      const { labels, ...inputs } = toInputs(batch, model);
      // The loss of a prompt method, such as CPT's, needs the labels.
      const hasLoss = Boolean(baseOf(model).virtualTokens?.loss);
      const { logits, loss } = (model as unknown as WithLogits).forward(hasLoss ? { ...inputs, labels } : inputs);
      const [rows, positions, width] = logits.shape;
      const predicted = predictedLabels(batch, model)[0].length;
      // The logits of virtual tokens come first. They are skipped unless they predict labels.
      const start = positions - predicted - ahead;
      const flat = reshape(slice(logits, { dim: 1, start, end: start + predicted }), [-1, width]);
      if (hasLoss) return { loss, values: argmaxTokens(flat) };
      const wanted = reshape(slice(labels, { dim: 1, start: batch.length - predicted }), [rows * predicted]);
      return { loss: crossEntropy(flat, wanted, { ignoreIndex }), values: argmaxTokens(flat) };
    },
    rows: (batch, values) => {
      const wanted = predictedLabels(batch, model);
      if (wanted[0].length === 0) return { predictions: [], labelIds: [] };
      const found = divided(values, batch.batchSize);
      const labelled = (row: Row, i: number) => row.filter((_: number, t: number) => wanted[i][t] !== ignoreIndex);
      const kept = wanted.map((row, i) => ({ labelIds: labelled(row, i), predictions: labelled(found[i], i) }));
      const some = kept.filter((row) => row.labelIds.length > 0);
      return { predictions: some.map((row) => row.predictions), labelIds: some.map((row) => row.labelIds) };
    },
    metrics,
  };
}

/** Splits a flat, row-major array into `rows` rows. */
function divided(values: Row, rows: number): Row[] {
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width));
}
