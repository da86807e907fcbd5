import { type Schedule, schedules } from "@lowrank/nn";
import type { TrainingSettings } from "../options/trainerOptions.ts";

/** The learning rate schedules that can be selected by name. Web pages load no others. */
const scheduleOf = { constant: schedules.constantWithWarmup, linear: schedules.linear, cosine: schedules.cosine };

/**
 * Returns the function that gives the factor of the peak learning rate at each step. Throws for options that contradict
 * each other.
 */
export function scheduleFactor(
  { schedule = "linear", warmupSteps = 0, minLr, minLrRate }: TrainingSettings<unknown>,
  totalSteps: number,
  peak: number,
): Schedule {
  const floor = minLr === undefined ? minLrRate : minLr / peak;
  const named = minLr === undefined ? `minLrRate is ${minLrRate}` : `minLr is ${minLr}`;
  if (minLr !== undefined && minLrRate !== undefined)
    throw new Error(`Trainer: ${named}, and minLrRate is given too; give only one of them`);
  if (floor !== undefined) {
    if (schedule !== "linear" && schedule !== "cosine") {
      throw new Error(`Trainer: ${named}, but only the schedules "linear" and "cosine" have a minimum; leave it out`);
    }
    if (!(floor >= 0 && floor <= 1)) {
      throw new Error(
        `Trainer: ${named}; minLr must be from 0 to the peak learning rate ${peak}, and minLrRate from 0 to 1`,
      );
    }
  }
  if (typeof schedule === "function") return schedule;
  return scheduleOf[schedule]({ warmupSteps, totalSteps, minLrRate: floor });
}
