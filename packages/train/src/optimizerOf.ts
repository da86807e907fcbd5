import type { Tensor } from "@lowrank/core";
import { type AdamOptions, AdamW, type Optimizer } from "@lowrank/nn";
import type { TrainingSettings } from "./trainerOptions.ts";

/** An optimiser that is loaded when it is needed, and the learning rate of each of its groups. */
export interface PlannedOptimizer {
  readonly peaks: readonly number[];
  make(): Promise<Optimizer<AdamOptions>>;
}

/**
 * Returns the optimiser that the options name or bring. Throws for one that lacks
 * a parameter that trains.
 */
export function optimizerOf(
  options: TrainingSettings<unknown>,
  parameters: ReadonlyMap<string, Tensor>,
): PlannedOptimizer {
  const { optimizer = "adamw", learningRate: lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
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
      throw new Error(`Trainer: ${key} is ${options[key]}, and optimizer has settings of its own; give one of the two`);
    }
    return { peaks: optimizer.groups.map((group) => group.lr), make: async () => optimizer };
  }
  if (lr === undefined) throw new Error("Trainer: learningRate is missing; give it, or an optimizer that has one");
  const settings = { lr, betas, eps, weightDecay };
  // Its settings are those of 8 bits too, and checked at once.
  const adamW = new AdamW([...parameters.values()], settings);
  if (optimizer !== "adamw8bit") return { peaks: [lr], make: async () => adamW };
  const make = async () => {
    const { adamW8bit } = await import("./adamW8bit.ts");
    return adamW8bit([...parameters.values()], settings);
  };
  return { peaks: [lr], make };
}
