import { checkOptions, giveTurn, noGrad, scope, type Tensor } from "@lowrank/core";
import { type AnyExample, collateAny } from "./collateAny.ts";
import { labelCount } from "./labelCount.ts";
import { baseOf, type TrainableModel, toInputs, withRows } from "./modelBatch.ts";
import { type CollateOptions, collateKeys, collateOptions } from "./padRows.ts";

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
export interface EvaluateOptions extends CollateOptions {
  /** Examples in a forward pass. */
  batchSize: number;
  /** Ends it after the running batch: `evaluate` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The loss of a model over examples, without dropout and without gradients. */
export async function evaluate(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  checkOptions("evaluate", options, { ...collateKeys, batchSize: true, signal: true });
  if (examples.length === 0) throw new Error("evaluate: there are no examples");
  const collating = collateOptions(options);
  const classifies = baseOf(model).problemType === "single_label_classification";
  let [sum, labels, right] = [0, 0, 0];
  for (let at = 0; at < examples.length; at += options.batchSize) {
    await giveTurn(options.signal);
    model.eval();
    const batch = collateAny(examples.slice(at, at + options.batchSize), collating);
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
