import { noGrad, scope, withBackend, yieldIfDue } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { AnyExample } from "../data/batches/collateAny.ts";
import {
  backendOf,
  type PaddingOptions,
  type TrainableModel,
  type TrainableModule,
} from "../data/batches/modelBatch.ts";
import type { OwnTask } from "../tasks/ownTask.ts";
import { ownTaskOf, taskKeys, taskOf } from "../tasks/taskOf.ts";
import type { TrainingTask } from "../tasks/trainingTask.ts";
import { evaluateModel } from "./evaluateModel.ts";
import { type MetricOptions, metricKeys } from "./metrics/metricOptions.ts";

/** The loss and metrics of an evaluation. */
export interface Evaluation {
  /** The mean loss over the labels of all examples. For tokens and classes it is the cross-entropy in nats. */
  loss: number;
  /** exp(loss), the perplexity if tokens are predicted. */
  perplexity: number;
  /** Number of labels over which the loss is averaged. */
  labels: number;
  /**
   * The fraction of correct predictions. For classifiers with one class per sequence, it is the fraction of sequences.
   * For token classifiers and language models, it is the fraction of labelled tokens. For language models, it is
   * computed only if `metrics` or `computeMetrics` is set.
   */
  accuracy?: number;
  /**
   * For classifiers with two classes, F1 of class 1. For token classifiers with labels such as "B-PER", F1 of whole
   * entities.
   */
  f1?: number;
  /** For token classifiers with labels such as "B-PER", precision of whole entities. */
  precision?: number;
  /** For token classifiers with labels such as "B-PER", recall of whole entities. */
  recall?: number;
  /** The unweighted mean of the F1 scores of all classes or labels (macro average). */
  f1Macro?: number;
  /**
   * F1 computed from the true and false positives and the false negatives of all classes or labels together (micro
   * average).
   */
  f1Micro?: number;
  /** The fraction of examples that are predicted without any error: all labels, or all labelled tokens, are correct. */
  exactMatch?: number;
  /** The metrics that `computeMetrics` returned. */
  metrics?: Readonly<Record<string, number>>;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends PaddingOptions, MetricOptions {
  /** Number of examples in a forward pass. */
  batchSize: number;
  /** Aborts after the current batch. `evaluate` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of `evaluate` with a custom collator and loss. */
export interface OwnEvaluateOptions<Model, Example, Batch>
  extends Pick<EvaluateOptions, "batchSize" | "signal">,
    OwnTask<Model, Example, Batch> {}

/** Returns the loss and metrics of a model on examples. Runs without dropout and gradients. */
export function evaluate(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: EvaluateOptions,
): Promise<Evaluation>;
/**
 * Returns the mean loss of any module on examples of any kind, with a custom collator and loss. In the result, `labels`
 * is the number of examples.
 */
export function evaluate<Model extends TrainableModule, Example, Batch>(
  model: Model,
  examples: readonly Example[],
  options: OwnEvaluateOptions<Model, Example, Batch>,
): Promise<Evaluation>;
export async function evaluate(
  model: TrainableModule,
  examples: readonly unknown[],
  options: EvaluateOptions | OwnEvaluateOptions<never, never, unknown>,
): Promise<Evaluation> {
  const keys: OptionKeys<EvaluateOptions | OwnEvaluateOptions<never, never, unknown>> = {
    ...{ ...taskKeys, ...metricKeys },
    ...({ batchSize: true, signal: true } as const),
  };
  checkOptions<object>("evaluate", options, keys);
  if (examples.length === 0) throw new Error("evaluate: there are no examples");
  const task = taskOf("evaluate", model, examples, options);
  if (!ownTaskOf(options)) {
    return evaluateModel(model as TrainableModel, examples as readonly AnyExample[], options as EvaluateOptions);
  }
  const [metric] = Object.keys(metricKeys).filter((key) => options[key as never] !== undefined);
  if (metric === undefined) return evaluateTask(model, task, examples, options);
  throw new Error(`evaluate: ${metric} is not supported with a custom collate and loss; leave it out`);
}

async function evaluateTask(
  model: TrainableModule,
  task: TrainingTask,
  examples: readonly unknown[],
  { batchSize, signal }: Pick<EvaluateOptions, "batchSize" | "signal">,
): Promise<Evaluation> {
  let sum = 0;
  for (let at = 0; at < examples.length; at += batchSize) {
    await yieldIfDue(signal);
    model.eval();
    const batch = await task(examples.slice(at, at + batchSize));
    const run = () => noGrad(() => scope(() => batch.withLoss((loss) => loss)));
    using loss = withBackend(backendOf(model), run);
    sum += batch.labels * (await loss.item());
  }
  const loss = sum / examples.length;
  return { loss, perplexity: Math.exp(loss), labels: examples.length };
}
