import { formatShape, Tensor } from "@lowrank/core";
import type { TrainingTask } from "./trainingTask.ts";

/** A custom task: how examples become a loss. */
export interface OwnTask<Model, Example, Batch> {
  /** Makes a batch from examples, such as an object of tensors. Its tensors are freed after the step. */
  collate: (examples: readonly Example[]) => Batch;
  /** Returns the mean loss over the examples of a batch, as a scalar. */
  loss: (model: Model, batch: Batch) => Tensor;
  /** Values that affect the loss. A checkpoint with other values belongs to another run. Default: none. */
  settings?: Readonly<Record<string, number | string | undefined>>;
  /** Counts the tokens of examples, to report speeds. Default: none. */
  tokens?: (examples: readonly Example[]) => number;
}

/** Returns the task of a collator and a loss. `caller` is named in errors. */
export function ownTask<Model, Example, Batch>(
  caller: string,
  model: Model,
  { collate, loss, tokens = () => 0 }: OwnTask<Model, Example, Batch>,
): TrainingTask {
  return (examples) => ({
    labels: examples.length,
    tokens: tokens(examples as readonly Example[]),
    truncatedExamples: 0,
    withLoss: (fn) => fn(checked(caller, loss(model, collate(examples as readonly Example[])))),
  });
}

function checked(caller: string, value: unknown): Tensor {
  if (value instanceof Tensor && value.size === 1 && value.dtype === "f32") return value.reshape([]);
  const found = value instanceof Tensor ? `a ${value.dtype} tensor ${formatShape(value.shape)}` : String(value);
  throw new Error(`${caller}: loss returned ${found}; return one f32 number, such as the mean over the batch`);
}
