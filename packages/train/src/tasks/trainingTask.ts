import type { Tensor } from "@lowrank/core";
import { type AnyExample, collateAny } from "../data/batches/collateAny.ts";
import { labelCount, type TrainableModel, toInputs, withRows } from "../data/batches/modelBatch.ts";
import type { CollateOptions } from "../data/padRows.ts";

/** A batch for one forward and backward pass. */
export interface TaskBatch {
  /** Number of labels (or, for a custom task, examples) over which the loss is averaged. */
  readonly labels: number;
  /** Number of tokens in the batch, including padding. */
  readonly tokens: number;
  readonly truncatedExamples: number;
  /**
   * Computes the batch's loss on the model's backend, then calls `fn` with the loss and returns the result of `fn`. If
   * `throughForward` is true, calls the model's `forward` instead of `loss`, so that hooks on modules see every output.
   */
  withLoss<T>(fn: (loss: Tensor) => T, throughForward?: boolean): T;
}

/** Converts examples to a batch whose loss can be computed. */
export type TrainingTask = (examples: readonly unknown[]) => TaskBatch | Promise<TaskBatch>;

type WithForward = { forward?(inputs: object): { loss?: Tensor } };

/** Returns the task of a model that predicts tokens or classes. The loss is the result of the model's method `loss`. */
export function languageTask(model: TrainableModel, options: CollateOptions): TrainingTask {
  const lossOf = (inputs: ReturnType<typeof toInputs>, throughForward?: boolean): Tensor => {
    const { forward } = model as WithForward;
    return (throughForward && forward?.call(model, inputs).loss) || model.loss(inputs);
  };
  return async (examples) => {
    const batch = await collateAny(examples as readonly AnyExample[], options);
    return {
      labels: labelCount(batch, model),
      tokens: batch.batchSize * batch.length,
      truncatedExamples: batch.truncatedExamples,
      withLoss: (fn, throughForward) =>
        withRows(model, batch, () => fn(lossOf(toInputs(batch, model), throughForward))),
    };
  };
}
