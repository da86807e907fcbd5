import { OptionError, type Tensor } from "@lowrank/core";
import { AdamW, type Optimizer, type Schedule, schedules } from "@lowrank/nn";
import type { AnyExample } from "../data/batches/collateAny.ts";
import { type TrainableModule, withRows } from "../data/batches/modelBatch.ts";
import type { RateSetting, TrainingSettings } from "../options/trainerOptions.ts";

/** An optimiser that is created on demand, and the peak learning rate of each of its parameter groups. */
export interface PlannedOptimizer {
  readonly peaks: readonly number[];
  make(): Promise<Optimizer<RateSetting>>;
}

/**
 * Returns the optimiser that the option `optimizer` names or contains. Throws if the option is an optimiser object that
 * does not update one of the trainable parameters.
 */
export function optimizerOf(
  options: TrainingSettings<unknown>,
  parameters: ReadonlyMap<string, Tensor>,
): PlannedOptimizer {
  const { optimizer = "adamw", learningRate: lr, betas, eps, weightDecay = 0 } = options;
  if (typeof optimizer !== "string") {
    const own = new Set(optimizer.parameters());
    const missing = [...parameters].filter(([, parameter]) => !own.has(parameter)).map(([name]) => name);
    if (missing.length > 0) {
      throw new Error(
        `Trainer: the optimizer was not given ${missing.join(", ")}, which the model trains; make an optimizer for this model`,
      );
    }
    for (const key of ["learningRate", "betas", "eps", "weightDecay"] as const) {
      if (options[key] === undefined) continue;
      throw new OptionError("Trainer", key, options[key], (named) => {
        return `${named(key)} is ${options[key]}, and ${named("optimizer")} has its own settings; give one of the two`;
      });
    }
    return { peaks: optimizer.groups.map((group) => group.lr), make: async () => optimizer };
  }
  if (lr === undefined)
    throw new OptionError("Trainer", "learningRate", lr, "is missing; give it, or an optimizer that has one");
  const tensors = [...parameters.values()];
  const settings = { lr, weightDecay, ...(betas && { betas }), ...(eps !== undefined && { eps }) };
  // Creates an AdamW to validate the settings at once, since all named optimisers have the same settings.
  const adamW = new AdamW(tensors, settings);
  if (optimizer === "adamw") return { peaks: [lr], make: async () => adamW };
  const make = async () => {
    const { createOptimizerByName } = await import("./createOptimizerByName.ts");
    return createOptimizerByName(optimizer, tensors, settings);
  };
  return { peaks: [lr], make };
}

/** The learning rate schedules that can be selected by name. A web page does not load the other schedules. */
const scheduleOf = { constant: schedules.constantWithWarmup, linear: schedules.linear, cosine: schedules.cosine };

/**
 * Returns the learning rate schedule: a function from the step to a factor of the peak learning rate. Throws if options
 * contradict each other.
 */
export function scheduleFactor(
  { schedule = "linear", warmupSteps = 0, minLr, minLrRate }: TrainingSettings<unknown>,
  totalSteps: number,
  peak: number,
): Schedule {
  const floor = minLr === undefined ? minLrRate : minLr / peak;
  const option = minLr === undefined ? "minLrRate" : "minLr";
  const value = minLr ?? minLrRate;
  if (minLr !== undefined && minLrRate !== undefined)
    throw new OptionError("Trainer", option, value, (named) => {
      return `${named("minLr")} is ${minLr}, and ${named("minLrRate")} is given too; give only one of them`;
    });
  if (floor !== undefined) {
    if (schedule !== "linear" && schedule !== "cosine") {
      const problem = `is ${value}, but only the schedules "linear" and "cosine" have a minimum; leave it out`;
      throw new OptionError("Trainer", option, value, problem);
    }
    if (!(floor >= 0 && floor <= 1)) {
      throw new OptionError("Trainer", option, value, (named) => {
        const limits = `${named("minLr")} must be from 0 to the peak learning rate ${peak}`;
        return `${named(option)} is ${value}; ${limits}, and ${named("minLrRate")} from 0 to 1`;
      });
    }
  }
  if (typeof schedule === "function") return schedule;
  return scheduleOf[schedule]({ warmupSteps, totalSteps, minLrRate: floor });
}

/**
 * Returns the parameters that a training changes, by name. These are all parameters that require gradients, or, if
 * examples name adapters, only the parameters of these adapters. Throws if a named adapter has no trainable parameters
 * or must be trained alone.
 */
export function trainedParameters(
  model: TrainableModule,
  examples: readonly Pick<AnyExample, "adapterName">[],
): Map<string, Tensor> {
  const names = new Set(examples.flatMap(({ adapterName }) => adapterName ?? []));
  const found = () => new Map([...model.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad));
  const all = names.size === 0 ? found() : withRows(model, { adapterNames: [...names] }, found);
  for (const name of names) {
    if (model.trainsAlone?.(name)) {
      throw new Error(
        `Trainer: adapter "${name}" uses a method that reallocates ranks, which examples with an adapterName cannot train; leave adapterName out and make the adapter active with setAdapter`,
      );
    }
    if (withRows(model, { adapterNames: [name] }, () => found().size) > 0) continue;
    throw new Error(
      `Trainer: examples name adapter "${name}", which has no trainable parameters; leave these examples out, or make the adapter trainable`,
    );
  }
  return all;
}
