import { checkOptions, giveTurn, noGrad, scope, type Tensor, withBackend } from "@lowrank/core";
import { type AnyExample, collateAny } from "./collateAny.ts";
import { labelCount } from "./labelCount.ts";
import { backendOf, baseOf, type TrainableModel, type TrainableModule, toInputs, withRows } from "./modelBatch.ts";
import type { OwnTask } from "./ownTask.ts";
import { type PaddingOptions, paddingOf } from "./paddingOptions.ts";
import { ownTaskOf, taskKeys, taskOf } from "./taskOf.ts";
import type { TrainingTask } from "./trainingTask.ts";

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
   * The share of sequences whose class is the likeliest one; for models that tell classes apart.
   */
  accuracy?: number;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends PaddingOptions {
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
  checkOptions<object>("evaluate", options, { ...taskKeys, batchSize: true, signal: true });
  if (examples.length === 0) throw new Error("evaluate: there are no examples");
  const task = taskOf("evaluate", model, examples, options);
  return ownTaskOf(options)
    ? evaluateTask(model, task, examples, options)
    : evaluateLanguage(model as TrainableModel, examples as readonly AnyExample[], options as EvaluateOptions);
}

async function evaluateTask(
  model: TrainableModule,
  task: TrainingTask,
  examples: readonly unknown[],
  { batchSize, signal }: Pick<EvaluateOptions, "batchSize" | "signal">,
): Promise<Evaluation> {
  let sum = 0;
  for (let at = 0; at < examples.length; at += batchSize) {
    await giveTurn(signal);
    model.eval();
    const batch = await task(examples.slice(at, at + batchSize));
    const run = () => noGrad(() => scope(() => batch.withLoss((loss) => loss, false)));
    using loss = withBackend(backendOf(model), run);
    sum += batch.labels * (await loss.item());
  }
  const loss = sum / examples.length;
  return { loss, perplexity: Math.exp(loss), labels: examples.length };
}

async function evaluateLanguage(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const collating = paddingOf(options, model);
  const classifies = baseOf(model).problemType === "single_label_classification";
  let [sum, labels, right] = [0, 0, 0];
  for (let at = 0; at < examples.length; at += options.batchSize) {
    await giveTurn(options.signal);
    model.eval();
    const batch = await collateAny(examples.slice(at, at + options.batchSize), collating);
    const count = labelCount(batch, model);
    if (count === 0) continue;
    labels += count;
    if (!classifies) {
      using loss = noGrad(() => scope(() => withRows(model, batch, () => model.loss(toInputs(batch, model)))));
      sum += count * (await loss.item());
      continue;
    }
    const classifier = model as unknown as { forward(inputs: object): { logits: Tensor; loss: Tensor } };
    const { logits, loss } = noGrad(() =>
      scope(() => withRows(model, batch, () => classifier.forward(toInputs(batch, model)))),
    );
    sum += count * (await loss.item());
    right += countRight((await logits.data()) as Float32Array, batch.labels);
    logits.dispose();
    loss.dispose();
  }
  if (labels === 0) throw new Error("evaluate: no token of these examples is labelled; nothing can be measured");
  const measured = { loss: sum / labels, perplexity: Math.exp(sum / labels), labels };
  return classifies ? { ...measured, accuracy: right / labels } : measured;
}

/** Returns the number of rows of logits whose largest entry is at the label. */
function countRight(logits: Float32Array, labels: ArrayLike<number>): number {
  const width = logits.length / labels.length;
  return Array.from(labels).filter((label, row) => {
    const own = logits.subarray(row * width, (row + 1) * width);
    return own.indexOf(Math.max(...own)) === label;
  }).length;
}
