import { backward, cat, full, reshape, scope, type Tensor, withBackend, yieldIfDue, zeros } from "@lowrank/core";
import { addInto } from "@lowrank/core/internal";
import { clipGradNorm, type Optimizer } from "@lowrank/nn";
import { backendOf, type TrainableModule } from "../data/batches/modelBatch.ts";
import type { RateSetting } from "../options/trainerOptions.ts";
import type { TaskBatch } from "../tasks/trainingTask.ts";

/**
 * A batch for one forward and backward pass. `share` is its number of labels divided by the number of labels of the
 * whole optimiser step.
 */
export interface MicroBatch {
  readonly batch: TaskBatch;
  readonly share: number;
}

/** Returns the batches that have labels, each with its fraction of all labels. Empty if none has labels. */
export function microBatches(batches: readonly TaskBatch[]): MicroBatch[] {
  const total = batches.reduce((sum, { labels }) => sum + labels, 0);
  return batches.flatMap((batch) => (batch.labels > 0 ? [{ batch, share: batch.labels / total }] : []));
}

/** Objects and settings, besides the batches, that a training step needs. */
export interface StepParts {
  readonly model: TrainableModule;
  readonly parameters: Iterable<Tensor>;
  readonly optimizer: Optimizer<RateSetting>;
  /** Maximum L2 norm of the gradients. Infinity disables clipping. */
  readonly maxGradNorm: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs one optimiser step on the model's backend, without waiting for results. Yields to the event loop between
 * micro-batches. Returns f32 [3]: the loss, the gradients' norm before clipping, and 0 (NaN if the update would not be
 * finite). If one of the three values is not finite, weights and optimiser state do not change. If the signal is
 * aborted, updates nothing and returns null.
 */
export async function trainingStep(
  parts: readonly MicroBatch[],
  { model, parameters, optimizer, maxGradNorm, signal }: StepParts,
): Promise<Tensor | null> {
  const backend = backendOf(model);
  const here = <T>(fn: () => T): T => withBackend(backend, () => scope(fn));
  using loss = here(() => zeros([]));
  for (const part of parts) {
    // Turns dropout on again, which an evaluation or generation since the last step may have turned off.
    model.train();
    here(() => void addInto(loss, lossAndGradients(part), { alpha: part.share }));
    await yieldIfDue();
    if (signal?.aborted) return null;
  }
  return here(() => {
    const norm = clipGradNorm(parameters, maxGradNorm);
    const facts = cat([reshape(loss, [1]), reshape(norm, [1]), zeros([1])]);
    optimizer.step(facts);
    return facts;
  });
}

/**
 * Computes a batch's gradients, multiplies them by `share` (the batch's fraction of the step's labels), and adds them
 * to the gradients of the step. Returns the batch's own mean loss, not multiplied by `share`.
 */
export function lossAndGradients({ batch, share }: MicroBatch, throughForward?: boolean): Tensor {
  return batch.withLoss((loss) => {
    backward(loss, full([], share));
    return loss.detach();
  }, throughForward);
}
