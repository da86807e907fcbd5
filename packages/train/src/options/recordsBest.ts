import type { TrainingSettings } from "./trainerOptions.ts";

/** The training options that use the best evaluation of a run. */
export type BestOptions = Pick<
  TrainingSettings<unknown>,
  | "evaluation"
  | "loadBestModelAtEnd"
  | "metricForBestModel"
  | "greaterIsBetter"
  | "earlyStoppingPatience"
  | "earlyStoppingThreshold"
>;

/** Returns true if an option needs the best evaluation: `loadBestModelAtEnd` or `earlyStoppingPatience`. */
export function recordsBest(options: BestOptions): boolean {
  return options.loadBestModelAtEnd === true || options.earlyStoppingPatience !== undefined;
}
