import type { Tensor } from "@lowrank/core";
import { type AnyExample, collateAny } from "../data/collateAny.ts";
import { labelCount } from "../data/labelCount.ts";
import { type TrainableModel, toInputs, withRows } from "../data/modelBatch.ts";
import type { CollateOptions } from "../data/padRows.ts";

/** Examples of one forward and backward pass. */
export interface TaskBatch {
  /** The number of labels or examples over which the loss is averaged. */
  readonly labels: number;
  /** Tokens, including padding. */
  readonly tokens: number;
  readonly truncatedExamples: number;
  /**
   * Runs `fn` with the batch's loss, on the model's backend. With `throughForward`, computes the loss from the outputs
   * of `forward`, so that every module can be observed.
   */
  withLoss<T>(fn: (loss: Tensor) => T, throughForward?: boolean): T;
}

/** Converts examples to a batch and its loss. */
export type TrainingTask = (examples: readonly unknown[]) => TaskBatch | Promise<TaskBatch>;

type WithForward = { forward?(inputs: object): { loss?: Tensor } };

/** Returns the task of a model that predicts tokens or classes, with the model's own loss. */
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
