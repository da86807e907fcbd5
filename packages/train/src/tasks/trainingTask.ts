import type { Tensor } from "@lowrank/core";
import { type AnyExample, collateAny } from "../data/collateAny.ts";
import { labelCount } from "../data/labelCount.ts";
import { type TrainableModel, toInputs, withRows } from "../data/modelBatch.ts";
import type { CollateOptions } from "../data/padRows.ts";

/** Examples that run forward and backward together. */
export interface TaskBatch {
  /** The labels or examples that its loss is the mean of. */
  readonly labels: number;
  /** Tokens, padding included. */
  readonly tokens: number;
  readonly truncatedExamples: number;
  /**
   * Runs `fn` with the batch's loss, on the model's backend. `throughForward` asks for the loss by
   * way of all of the model's outputs, so that each module is seen.
   */
  withLoss<T>(fn: (loss: Tensor) => T, throughForward: boolean): T;
}

/** The way from examples to a batch and its loss. */
export type TrainingTask = (examples: readonly unknown[]) => TaskBatch | Promise<TaskBatch>;

type WithForward = { forward?(inputs: object): { loss?: Tensor } };

/** Returns the task of a model that predicts tokens or classes, with the loss of its own. */
export function languageTask(model: TrainableModel, options: CollateOptions): TrainingTask {
  const lossOf = (inputs: ReturnType<typeof toInputs>, throughForward: boolean): Tensor => {
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
