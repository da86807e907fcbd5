import type { TrainingSettings } from "./trainerOptions.ts";

/** The options that are about a run's best evaluation. */
export type BestOptions = Pick<
  TrainingSettings<unknown>,
  | "evaluation"
  | "loadBestModelAtEnd"
  | "metricForBestModel"
  | "greaterIsBetter"
  | "earlyStoppingPatience"
  | "earlyStoppingThreshold"
>;

/** True where options ask for a record of the best evaluation. */
export function recordsBest(options: BestOptions): boolean {
  return options.loadBestModelAtEnd === true || options.earlyStoppingPatience !== undefined;
}
