import { crossEntropy, neg, noGrad, slice, sum, type Tensor } from "@lowrank/core";
import type { Batch } from "../data/batches/collate.ts";
import { type TrainableModel, toInputs } from "../data/batches/modelBatch.ts";
import { ignoreIndex } from "../data/tokens/ignoreIndex.ts";

/** A model that returns logits [B, T, V]: a `CausalLM`, or a `PeftModel` of one. */
export interface LanguageModel extends TrainableModel {
  forward(inputs: { inputIds: Tensor; attentionMask: Tensor | null; taskIds?: readonly number[] | null }): {
    logits: Tensor;
  };
}

/**
 * Returns the logits [B, T - 1, V] of all positions but the last, and the labels i32 [B, T - 1] that they should
 * predict.
 */
export function predictions(model: LanguageModel, batch: Batch): { logits: Tensor; labels: Tensor } {
  const { inputIds, labels, attentionMask = null, taskIds } = toInputs(batch, model);
  const { logits } = model.forward({ inputIds, attentionMask, ...(taskIds && { taskIds }) });
  const [, tokens] = labels.shape;
  // Logits of virtual tokens come first and are skipped.
  const [, positions] = logits.shape;
  return {
    logits: slice(logits, { dim: 1, start: positions - tokens, end: positions - 1 }),
    labels: slice(labels, { dim: 1, start: 1, end: tokens }),
  };
}

/** Returns, for each row, the sum of the log-probabilities of its labelled tokens: f32 [B]. */
export function sequenceLogps(model: LanguageModel, batch: Batch): Tensor {
  const { logits, labels } = predictions(model, batch);
  return neg(sum(crossEntropy(logits, labels, { ignoreIndex, reduction: "none" }), { dim: 1 }));
}

/** Returns the number of labelled tokens in each row. The first token never counts, since nothing predicts it. */
export function labelledTokens({ labels, batchSize, length }: Batch): number[] {
  return Array.from({ length: batchSize }, (_, row) => {
    return labels.subarray(row * length + 1, (row + 1) * length).filter((label) => label !== ignoreIndex).length;
  });
}

/**
 * Runs `fn` without gradients on the reference model of a preference loss: `reference` if given, otherwise the base
 * model without adapters. Throws if there is neither.
 */
export function withReference<T>(
  caller: string,
  model: LanguageModel,
  reference: LanguageModel | undefined,
  fn: (model: LanguageModel) => T,
): T {
  return noGrad(() => {
    if (reference) return fn(reference);
    if (model.disableAdapter) return model.disableAdapter(() => fn(model));
    throw new Error(
      `${caller}: the model has no adapter to disable; give a referenceModel, a copy of the model before training`,
    );
  });
}
