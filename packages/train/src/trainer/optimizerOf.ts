import type { Tensor } from "@lowrank/core";
import { AdamW, type Optimizer } from "@lowrank/nn";
import type { RateSetting, TrainingSettings } from "../options/trainerOptions.ts";

/** An optimiser that is created on demand, and the peak learning rate of each of its parameter groups. */
export interface PlannedOptimizer {
  readonly peaks: readonly number[];
  make(): Promise<Optimizer<RateSetting>>;
}

/**
 * Returns the optimiser that the option `optimizer` names or contains. Throws if an optimiser object lacks one of the
 * trainable parameters.
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
        `Trainer: optimizer was not given ${missing.join(", ")}, which the model trains; make it for this model`,
      );
    }
    for (const key of ["learningRate", "betas", "eps", "weightDecay"] as const) {
      if (options[key] === undefined) continue;
      throw new Error(`Trainer: ${key} is ${options[key]}, and optimizer has its own settings; give one of the two`);
    }
    return { peaks: optimizer.groups.map((group) => group.lr), make: async () => optimizer };
  }
  if (lr === undefined) throw new Error("Trainer: learningRate is missing; give it, or an optimizer that has one");
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
