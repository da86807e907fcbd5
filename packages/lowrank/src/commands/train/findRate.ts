import {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSearch,
  type OptimizerName,
  type StepReport,
} from "@lowrank/train";
import type { Learner } from "./learner.ts";
import type { TrainReporter } from "./view/trainReporter.ts";

/** Settings of the learning rate search. */
interface RateSearchOptions {
  optimizer: OptimizerName;
  weightDecay: number;
  maxGradNorm: number;
  accumulate: number;
  seed: number;
  voice: TrainReporter;
}

/** Tries learning rates on a model and prints the losses. The model's weights do not change. */
export async function findRate(
  { model }: Learner,
  examples: readonly unknown[],
  task: object,
  { optimizer, weightDecay, maxGradNorm, accumulate, seed, voice }: RateSearchOptions,
): Promise<void> {
  try {
    const search = await findLearningRate(
      model as never,
      examples as never,
      {
        ...{ ...task, optimizer, weightDecay, maxGradNorm, seed },
        gradientAccumulationSteps: accumulate,
        onStep: (report: StepReport) => voice.step(report),
      } as FindLearningRateOptions,
    );
    for (const line of describeSearch(search)) voice.say(line);
    voice.result(search);
  } finally {
    voice.end();
  }
}

const rows = 16;
const width = 40;

/** Returns a table of learning rates and losses, each with a bar, and the suggested rate. */
export function describeSearch({ suggestion, trials, diverged }: LearningRateSearch): string[] {
  const shown = trials.filter((_, i) => i % Math.max(1, Math.ceil(trials.length / rows)) === 0);
  const losses = shown.map(({ smoothedLoss }) => smoothedLoss);
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const lines = shown.map(({ learningRate, smoothedLoss }) => {
    const bar = "#".repeat(
      1 + Math.round(((width - 1) * (smoothedLoss - least)) / Math.max(most - least, Number.MIN_VALUE)),
    );
    return `${learningRate.toExponential(1).padStart(13)}  ${smoothedLoss.toFixed(4).padStart(9)}  ${bar}`;
  });
  const last = trials.at(-1);
  return [
    "learning rate       loss",
    ...lines,
    ...(diverged && last ? [`above ${last.learningRate.toExponential(1)} the loss leaves all bounds`] : []),
    suggestion === null
      ? "the loss falls at none of these rates"
      : `suggested: --lr ${Number(suggestion.toPrecision(2))}, where the loss falls the fastest; nothing was written`,
  ];
}
