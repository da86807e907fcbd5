// Learning-rate schedules, with the names of transformers' get_scheduler.
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";

/**
 * A learning-rate schedule: returns the factor by which to multiply the base learning rate at a step, counted from 0.
 */
export type Schedule = (step: number) => number;

/** Settings of schedules with a warm-up. */
export interface WarmupOptions {
  /** Steps over which the rate grows linearly from 0. */
  warmupSteps: number;
}

/** Settings of schedules with a fixed number of steps. */
export interface DecayOptions extends WarmupOptions {
  totalSteps: number;
}

/** Settings of schedules that end at a fraction of the peak rate. */
export interface FloorOptions extends DecayOptions {
  /** The final rate as a fraction of the peak: `min_lr_rate` of transformers. Default 0. */
  minLrRate?: number;
}

type CycleOptions = FloorOptions & { cycles?: number };
type PolynomialOptions = DecayOptions & { lr: number; lrEnd?: number; power?: number };
type TimescaleOptions = WarmupOptions & { timescale?: number };

/**
 * The names of all options of all schedules. Every schedule accepts all of these options and ignores those it does not
 * use, so that callers can choose a schedule by name.
 */
const scheduleKeys: OptionKeys<PolynomialOptions & CycleOptions & TimescaleOptions> = {
  ...({ warmupSteps: true, totalSteps: true, cycles: true } as const),
  ...({ lr: true, lrEnd: true, power: true, timescale: true, minLrRate: true } as const),
};

/**
 * Returns a schedule whose factor grows linearly from 0 to 1 during the warm-up. After the warm-up, the factor is
 * `rest(progress)`, where progress goes from 0 to 1 until `totalSteps`.
 */
function warmThen({ warmupSteps, totalSteps }: DecayOptions, rest: (progress: number) => number): Schedule {
  return (step) =>
    step < warmupSteps ? step / warmupSteps : rest((step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
}

/** Returns a schedule whose factor is always 1. */
export function constant(): Schedule {
  return () => 1;
}

/** Linear warm-up, then a factor of 1. */
export function constantWithWarmup(options: WarmupOptions): Schedule {
  checkOptions<object>("constantWithWarmup", options, scheduleKeys);
  const { warmupSteps } = options;
  return (step) => (step < warmupSteps ? step / warmupSteps : 1);
}

/** Rescales a factor in [0, 1] linearly to the range from `minLrRate` to 1. */
function above({ minLrRate = 0 }: FloorOptions, factor: number): number {
  return Math.max(0, factor * (1 - minLrRate) + minLrRate);
}

/** Linear warm-up, then a straight line from 1 down to `minLrRate`. */
export function linear(options: FloorOptions): Schedule {
  checkOptions<object>("linear", options, scheduleKeys);
  return warmThen(options, (progress) => above(options, Math.max(0, 1 - progress)));
}

/** Linear warm-up, then a cosine from 1 to `minLrRate`, over `cycles` periods (default 0.5). */
export function cosine(options: CycleOptions): Schedule {
  checkOptions<object>("cosine", options, scheduleKeys);
  const { cycles = 0.5 } = options;
  return warmThen(options, (progress) => above(options, 0.5 * (1 + Math.cos(2 * Math.PI * cycles * progress))));
}

/**
 * Linear warm-up. After it, the factor falls from 1 to 0 along half a cosine, `cycles` times (default 1), starting
 * again at 1 each time. Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983
 */
export function cosineWithRestarts(options: CycleOptions): Schedule {
  checkOptions<object>("cosineWithRestarts", options, scheduleKeys);
  const { cycles = 1 } = options;
  return warmThen(options, (progress) =>
    progress >= 1 ? 0 : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1)))),
  );
}

/**
 * Linear warm-up. After it, the learning rate is lrEnd + (lr - lrEnd) (1 - progress) ** power, where progress goes from
 * 0 to 1. `lrEnd` defaults to 1e-7 and `power` to 1. Pass the optimiser's learning rate as `lr`.
 */
export function polynomial(options: PolynomialOptions): Schedule {
  checkOptions<object>("polynomial", options, scheduleKeys);
  const { lr, lrEnd = 1e-7, power = 1 } = options;
  if (!(lr > lrEnd)) throw new Error(`polynomial: lr ${lr} must be above lrEnd ${lrEnd}`);
  const end = lrEnd / lr;
  return warmThen(options, (progress) => (progress > 1 ? end : end + (1 - end) * (1 - progress) ** power));
}

/**
 * Linear warm-up. After it, the factor is sqrt(timescale / (timescale + n)), where n is the number of steps since the
 * warm-up. `timescale` defaults to `warmupSteps`, or to 10,000 if that is 0.
 */
export function inverseSqrt(options: TimescaleOptions): Schedule {
  checkOptions<object>("inverseSqrt", options, scheduleKeys);
  const { warmupSteps, timescale = warmupSteps || 10_000 } = options;
  const shift = timescale - warmupSteps;
  return (step) => (step < warmupSteps ? step / warmupSteps : 1 / Math.sqrt((step + shift) / timescale));
}
