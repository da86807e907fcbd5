import * as nn from "@lowrank/nn";
import { type Check, within } from "../check/compare.ts";
import type { GoldenSchedule } from "./opCase.ts";

/** The schedules of ops.json. Settings that it does not record are those with which it was generated. */
const functions: Readonly<Record<string, (options: nn.DecayOptions & { lr: number }) => nn.Schedule>> = {
  linear: nn.schedules.linear,
  cosine: nn.schedules.cosine,
  constantWithWarmup: nn.schedules.constantWithWarmup,
  polynomial: (options) => nn.schedules.polynomial({ ...options, power: 2, lrEnd: 1e-5 }),
  cosineWithRestarts: (options) => nn.schedules.cosineWithRestarts({ ...options, cycles: 3 }),
};

/** Checks every learning rate of the schedules of ops.json. */
export function* schedules(all: readonly GoldenSchedule[]): Generator<Check> {
  for (const { name, lr, warmup, total, values } of all) {
    const schedule = functions[name]?.({ warmupSteps: warmup, totalSteps: total, lr });
    if (!schedule) {
      yield { name: `ops/schedules.${name}`, error: `the schedule "${name}" is unknown` };
      continue;
    }
    const rates = values.map((_, step) => lr * schedule(step));
    yield within(`ops/schedules.${name}`, rates, values, 1e-12);
  }
}
