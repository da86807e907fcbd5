import { addInto, backward, cat, full, reshape, scope, type Tensor, withBackend, zeros } from "@lowrank/core";
import { type AdamOptions, clipGradNorm, type Optimizer } from "@lowrank/nn";
import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { labelCount } from "./labelCount.ts";
import { backendOf, type TrainableModel, toInputs, withRows } from "./modelBatch.ts";

/** A batch that runs forward and backward by itself, and its part of the labels of the step. */
export interface MicroBatch {
  readonly batch: Batch | SequenceBatch;
  readonly share: number;
}

/**
 * The batches that hold labels, each with its share of them; none where there are no labels at all.
 */
export function microBatches(batches: readonly (Batch | SequenceBatch)[], model: TrainableModel): MicroBatch[] {
  const labels = batches.map((batch) => labelCount(batch, model));
  const total = labels.reduce((a, b) => a + b, 0);
  return batches.flatMap((batch, i) => (labels[i] > 0 ? [{ batch, share: labels[i] / total }] : []));
}

/** The parts of a training step, its batches apart. */
export interface StepParts {
  readonly model: TrainableModel;
  readonly parameters: Iterable<Tensor>;
  readonly optimizer: Optimizer<AdamOptions>;
  /** Infinity leaves the gradients as they are. */
  readonly maxGradNorm: number;
}

/**
 * Runs one optimiser step where the model's parameters are; nothing is read. Returns the loss, the
 * norm of the gradients before clipping, and 0, or NaN where the update would not have been finite:
 * f32 [3]. Unless all three are finite, weights and moments are as they were.
 */
export function trainingStep(
  parts: readonly MicroBatch[],
  { model, parameters, optimizer, maxGradNorm }: StepParts,
): Tensor {
  const backend = backendOf(model);
  return withBackend(backend, () =>
    scope(() => {
      const loss = zeros([]);
      for (const { batch, share } of parts)
        scope(() => addInto(loss, lossAndGradients(model, batch, share), { alpha: share }));
      const norm = clipGradNorm(parameters, maxGradNorm);
      const facts = cat([reshape(loss, [1]), reshape(norm, [1]), zeros([1])]);
      optimizer.step(facts);
      return facts;
    }),
  );
}

/** Adds a batch's share of the gradients, and returns its own loss. */
export function lossAndGradients(
  model: TrainableModel,
  batch: Batch | SequenceBatch,
  share: number,
  lossOf: (inputs: ReturnType<typeof toInputs>) => Tensor = (inputs) => model.loss(inputs),
): Tensor {
  return withRows(model, batch, () => {
    const loss = lossOf(toInputs(batch, model));
    backward(loss, full([], share));
    return loss.detach();
  });
}
