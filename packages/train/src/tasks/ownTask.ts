import { formatShape, Tensor } from "@lowrank/core";
import type { TrainingTask } from "./trainingTask.ts";

/** A custom training task: a collator, which makes a batch from examples, and a loss function for such a batch. */
export interface OwnTask<Model, Example, Batch> {
  /**
   * Makes a batch from examples, for example an object of tensors. The trainer frees the batch's tensors after the
   * step.
   */
  collate: (examples: readonly Example[]) => Batch;
  /** Returns the mean loss over the examples of a batch, as a scalar. */
  loss: (model: Model, batch: Batch) => Tensor;
  /** Values that affect the loss, by name. Resuming from a checkpoint requires the same values. Default: none. */
  settings?: Readonly<Record<string, number | string | undefined>>;
  /** Counts the tokens in examples, for reports of the training speed. Default: tokens are reported as 0. */
  tokens?: (examples: readonly Example[]) => number;
}

/** Returns a training task that uses a custom collator and loss. `caller` names the calling function in errors. */
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
  throw new Error(
    `${caller}: loss returned ${found}; expected an f32 tensor of one element, such as the mean over the batch`,
  );
}
