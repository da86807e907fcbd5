import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { AnyExample } from "../data/batches/collateAny.ts";
import type { PaddingOptions, TrainableModel, TrainableModule } from "../data/batches/modelBatch.ts";
import type { StepReport, TrainingSettings } from "../options/trainerOptions.ts";
import type { OwnTask } from "../tasks/ownTask.ts";
import { ownTaskOf, type TaskOptions, taskKeys } from "../tasks/taskOf.ts";
import { BufferCopies, generatorsOf } from "./modelState.ts";
import { NonFiniteStepError } from "./nonFiniteStep.ts";
import { Trainer } from "./trainer.ts";

/** The training options that affect a run's first steps. */
type StepSettings = Pick<
  TrainingSettings<unknown>,
  | "batchSize"
  | "gradientAccumulationSteps"
  | "weightDecay"
  | "betas"
  | "eps"
  | "maxGradNorm"
  | "seed"
  | "shuffle"
  | "groupByLength"
  | "neftuneNoiseAlpha"
  | "onStep"
  | "signal"
>;

/** Learning rates to try, and the options of the training steps. */
export interface RateRange extends StepSettings {
  /** Name of the optimiser. Default: "adamw". */
  optimizer?: Exclude<TrainingSettings<unknown>["optimizer"], object>;
  /** Learning rate of the first step. Default: 1e-6. */
  from?: number;
  /** Learning rate of the last step. Default: 1. */
  to?: number;
  /** Number of steps. The learning rate grows by a constant factor from each step to the next. Default: 100. */
  steps?: number;
}

/** Options of `findLearningRate`. */
export interface FindLearningRateOptions extends RateRange, PaddingOptions {}

/** Names of all options of `RateRange`, without the options that define the task. */
const rangeKeys: OptionKeys<RateRange> = {
  ...({ batchSize: true, gradientAccumulationSteps: true, weightDecay: true, betas: true, eps: true } as const),
  ...({ maxGradNorm: true, seed: true, shuffle: true, groupByLength: true, neftuneNoiseAlpha: true } as const),
  ...({ onStep: true, signal: true, optimizer: true, from: true, to: true, steps: true } as const),
};

/** One step of the search: its learning rate, and the loss before the step. */
export interface LearningRateTrial {
  readonly learningRate: number;
  readonly loss: number;
  /** The exponential moving average of the losses so far. */
  readonly smoothedLoss: number;
}

/** The result of `findLearningRate`. */
export interface LearningRateSearch {
  /**
   * The learning rate at which the smoothed loss, plotted over the logarithm of the learning rate, falls most steeply.
   * Null if the loss never falls.
   */
  readonly suggestion: number | null;
  readonly trials: readonly LearningRateTrial[];
  /** True if the search ended early because the smoothed loss rose above four times its minimum or was not finite. */
  readonly diverged: boolean;
}

/** Weight of the previous average in the moving average of the losses. */
const memory = 0.9;

/**
 * Trains a few steps with learning rates from small to large, and suggests the rate at which the loss falls fastest.
 * Uses a separate optimiser. Afterwards restores the model's weights, buffers, adapter ranks and random generators.
 * Smith 2017, https://arxiv.org/abs/1506.01186
 */
export async function findLearningRate(
  model: TrainableModel,
  examples: readonly AnyExample[],
  options: FindLearningRateOptions,
): Promise<LearningRateSearch>;
export async function findLearningRate<Model extends TrainableModule, Example, Batch>(
  model: Model,
  examples: readonly Example[],
  options: RateRange & OwnTask<Model, Example, Batch>,
): Promise<LearningRateSearch>;
export async function findLearningRate(
  model: TrainableModule,
  examples: readonly unknown[],
  options: RateRange & TaskOptions,
): Promise<LearningRateSearch> {
  checkOptions<object>("findLearningRate", options, { ...rangeKeys, ...taskKeys });
  const { from = 1e-6, to = 1, steps = 100, signal, onStep, ...training } = options;
  if (!(from > 0 && to > from)) {
    throw new Error(`findLearningRate: from is ${from} and to ${to}; give two rates above 0, the smaller one first`);
  }
  if (!Number.isSafeInteger(steps) || steps < 10) {
    throw new Error(`findLearningRate: steps is ${steps}; give a whole number of at least 10`);
  }
  const trials: LearningRateTrial[] = [];
  const ended = new AbortController();
  let [mean, least] = [0, Number.POSITIVE_INFINITY];
  const take = (report: StepReport) => {
    const { loss, learningRate } = report;
    mean = memory * mean + (1 - memory) * loss;
    const smoothedLoss = mean / (1 - memory ** (trials.length + 1));
    trials.push({ learningRate, loss, smoothedLoss });
    least = Math.min(least, smoothedLoss);
    if (smoothedLoss > 4 * least) ended.abort();
    return onStep?.(report);
  };
  const restore = asItWas(model, ownTaskOf(options) !== undefined);
  try {
    const trainer = new Trainer(model as never, examples as never, {
      ...(training as object),
      learningRate: to,
      schedule: (step) => (from / to) ** (1 - step / (steps - 1)),
      maxSteps: steps,
      signal: signal ? AbortSignal.any([signal, ended.signal]) : ended.signal,
      onStep: take,
    });
    await trainer.train();
    signal?.throwIfAborted();
  } catch (error) {
    if (!(error instanceof NonFiniteStepError)) throw error;
    ended.abort();
  } finally {
    await restore();
  }
  return { suggestion: steepest(trials), trials, diverged: ended.signal.aborted };
}

/**
 * Copies everything in a model that training changes: weights, buffers, adapter ranks, random generators, and training
 * or evaluation mode. Returns a function that restores it; call this function only once. `own` is true if the training
 * uses a custom task.
 */
function asItWas(model: TrainableModule, own: boolean): () => Promise<void> {
  const trained = [...model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
  const tensors = [...trained, ...(model.namedBuffers?.() ?? [])].map(([, tensor]) => tensor);
  const copies = new BufferCopies(tensors);
  const ranks = model.allocationState?.();
  const generators = generatorsOf(model, own).map((generator) => [generator, generator.state] as const);
  const modes = Array.from(model.namedModules(), ([, module]) => {
    return [module as { training?: boolean }, (module as { training?: boolean }).training] as const;
  });
  return async () => {
    copies.restore();
    copies[Symbol.dispose]();
    if (ranks) await model.setAllocationState?.(ranks);
    for (const tensor of ranks?.values() ?? []) tensor.dispose();
    for (const [generator, state] of generators) generator.state = state;
    for (const [module, training] of modes) if (training !== undefined) module.training = training;
  };
}

/**
 * Returns the learning rate of the trial around which the smoothed loss falls most steeply, or null if it never falls.
 * Ignores the first trials, because their average is not yet reliable.
 */
function steepest(trials: readonly LearningRateTrial[]): number | null {
  const skipped = Math.min(10, Math.floor(trials.length / 4));
  let [slope, found]: [number, number | null] = [0, null];
  for (let i = skipped + 1; i < trials.length - 1; i++) {
    // The logarithm of the rate grows by the same amount at each step.
    const rise = trials[i + 1].smoothedLoss - trials[i - 1].smoothedLoss;
    if (rise >= slope) continue;
    slope = rise;
    found = trials[i].learningRate;
  }
  return found;
}
