import type { TrainableModule } from "../data/batches/modelBatch.ts";
import { type EvaluateOptions, type Evaluation, evaluate } from "../evaluation/evaluate.ts";
import type { TrainingSettings } from "../options/trainerOptions.ts";
import { type TaskOptions, taskOptionsOf } from "../tasks/taskOf.ts";
import { refusedEvaluation } from "./nonFiniteStep.ts";

/**
 * Evaluates a model during training, with the training's evaluation options. Returns null if the signal was aborted.
 * Throws if the loss is not finite.
 */
export async function evaluateDuring(
  model: TrainableModule,
  options: TrainingSettings<unknown> & TaskOptions,
  step: number,
  peaks: readonly number[],
): Promise<Evaluation | null> {
  const { evaluation, batchSize = 8, signal } = options;
  const { examples = [], metrics, computeMetrics, measure } = evaluation ?? {};
  const given = {
    ...taskOptionsOf(options),
    ...(metrics && { metrics }),
    ...(computeMetrics && { computeMetrics }),
    ...{ batchSize, signal },
  };
  try {
    // The casts are safe, since the trainer has checked that the task fits model and examples.
    const measured = await evaluate(model as never, examples as never, given as EvaluateOptions);
    if (!Number.isFinite(measured.loss)) throw refusedEvaluation(step, measured.loss, peaks);
    return measure ? { ...measured, metrics: { ...measured.metrics, ...(await measure()) } } : measured;
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    throw error;
  }
}
