import {
  addInto,
  backward,
  cat,
  full,
  reshape,
  scope,
  type Tensor,
  withBackend,
  yieldIfDue,
  zeros,
} from "@lowrank/core";
import { clipGradNorm, type Optimizer } from "@lowrank/nn";
import { backendOf, type TrainableModule } from "../data/modelBatch.ts";
import type { RateSetting } from "../options/trainerOptions.ts";
import type { TaskBatch } from "../tasks/trainingTask.ts";

/** A batch that runs forward and backward by itself, and its part of the labels of the step. */
export interface MicroBatch {
  readonly batch: TaskBatch;
  readonly share: number;
}

/**
 * The batches that hold labels, each with its share of them; none where there are no labels at all.
 */
export function microBatches(batches: readonly TaskBatch[]): MicroBatch[] {
  const total = batches.reduce((sum, { labels }) => sum + labels, 0);
  return batches.flatMap((batch) => (batch.labels > 0 ? [{ batch, share: batch.labels / total }] : []));
}

/** The parts of a training step, its batches apart. */
export interface StepParts {
  readonly model: TrainableModule;
  readonly parameters: Iterable<Tensor>;
  readonly optimizer: Optimizer<RateSetting>;
  /** Infinity leaves the gradients as they are. */
  readonly maxGradNorm: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs one optimiser step where the model's parameters are; nothing is read. The event loop turns
 * between micro-batches. Returns the loss, the norm of the gradients before clipping, and 0, or NaN
 * where the update would not have been finite: f32 [3]. Unless all three are finite, weights and
 * moments are as they were. Returns null, with nothing updated, if the signal is aborted.
 */
export async function trainingStep(
  parts: readonly MicroBatch[],
  { model, parameters, optimizer, maxGradNorm, signal }: StepParts,
): Promise<Tensor | null> {
  const backend = backendOf(model);
  const here = <T>(fn: () => T): T => withBackend(backend, () => scope(fn));
  using loss = here(() => zeros([]));
  for (const part of parts) {
    // Whoever evaluated or generated meanwhile has turned dropout off.
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

/** Adds a batch's share of the gradients, and returns its own loss. */
export function lossAndGradients({ batch, share }: MicroBatch, throughForward = false): Tensor {
  return batch.withLoss((loss) => {
    backward(loss, full([], share));
    return loss.detach();
  }, throughForward);
}
