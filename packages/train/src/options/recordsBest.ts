import type { TrainingSettings } from "./trainerOptions.ts";

/** Options that concern a run's best evaluation. */
export type BestOptions = Pick<
  TrainingSettings<unknown>,
  | "evaluation"
  | "loadBestModelAtEnd"
  | "metricForBestModel"
  | "greaterIsBetter"
  | "earlyStoppingPatience"
  | "earlyStoppingThreshold"
>;

/** Returns true if the options require a record of the best evaluation. */
export function recordsBest(options: BestOptions): boolean {
  return options.loadBestModelAtEnd === true || options.earlyStoppingPatience !== undefined;
}
