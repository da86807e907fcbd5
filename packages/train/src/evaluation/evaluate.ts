import { checkOptions, noGrad, type OptionKeys, scope, withBackend, yieldIfDue } from "@lowrank/core";
import type { AnyExample } from "../data/collateAny.ts";
import { backendOf, type TrainableModel, type TrainableModule } from "../data/modelBatch.ts";
import type { PaddingOptions } from "../data/paddingOptions.ts";
import type { OwnTask } from "../tasks/ownTask.ts";
import { ownTaskOf, taskKeys, taskOf } from "../tasks/taskOf.ts";
import type { TrainingTask } from "../tasks/trainingTask.ts";
import { evaluateModel } from "./evaluateModel.ts";
import { type MetricOptions, metricKeys } from "./metrics/metricOptions.ts";

/** The measurements of `evaluate`. */
export interface Evaluation {
  /**
   * The mean loss per label, over all examples at once: cross-entropy in nats where tokens
   * or classes are predicted.
   */
  loss: number;
  /** exp(loss). */
  perplexity: number;
  /** Labels counted. */
  labels: number;
  /**
   * The share of sequences whose class is the likeliest one, for models that tell classes apart; of
   * labelled tokens that are, where `metrics` asks for it.
   */
  accuracy?: number;
  /**
   * F1 of class 1, where there are two classes; of whole entities, where tokens are classified and
   * labels have names as "B-PER". Precision and recall are those of entities.
   */
  f1?: number;
  precision?: number;
  recall?: number;
  /** The mean of each class's or label's F1. */
  f1Macro?: number;
  /** F1 over all answers. */
  f1Micro?: number;
  /** The share of examples all of whose labels, or labelled tokens, are right. */
  exactMatch?: number;
  /** The numbers of `computeMetrics`. */
  metrics?: Readonly<Record<string, number>>;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends PaddingOptions, MetricOptions {
  /** Examples in a forward pass. */
  batchSize: number;
  /** Ends it after the running batch: `evaluate` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of `evaluate` with a collator and a loss of one's own. */
export interface OwnEvaluateOptions<Model, Example, Batch>
  extends Pick<EvaluateOptions, "batchSize" | "signal">,
    OwnTask<Model, Example, Batch> {}

/** The loss of a model over examples, without dropout and without gradients. */
export function evaluate(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: EvaluateOptions,
): Promise<Evaluation>;
/** The mean loss of any module over examples of any kind; `labels` counts the examples. */
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
  throw new Error(`evaluate: ${metric} is for models with a loss of their own; leave it out with a collate and a loss`);
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
    const run = () => noGrad(() => scope(() => batch.withLoss((loss) => loss, false)));
    using loss = withBackend(backendOf(model), run);
    sum += batch.labels * (await loss.item());
  }
  const loss = sum / examples.length;
  return { loss, perplexity: Math.exp(loss), labels: examples.length };
}
