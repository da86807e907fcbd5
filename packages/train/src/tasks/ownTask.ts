import { formatShape, Tensor } from "@lowrank/core";
import type { TrainingTask } from "./trainingTask.ts";

/** The way from examples of one's own to a loss. */
export interface OwnTask<Model, Example, Batch> {
  /** Makes a batch, such as an object of tensors, of some examples; its tensors are freed after. */
  collate: (examples: readonly Example[]) => Batch;
  /** Returns the mean loss over the examples of a batch: a scalar. */
  loss: (model: Model, batch: Batch) => Tensor;
  /**
   * Numbers and words that decide the loss: a checkpoint of others is one of another run. Default:
   * none.
   */
  settings?: Readonly<Record<string, number | string | undefined>>;
  /** Counts the tokens of examples, for speeds. Default: none are counted. */
  tokens?: (examples: readonly Example[]) => number;
}

/** Returns the task of a collator and a loss; `caller` is named in errors. */
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
