import type { Tensor } from "@lowrank/core";
import { type AdamOptions, AdamW, AdamW8bit, type Optimizer } from "@lowrank/nn";
import type { TrainingSettings } from "./trainerOptions.ts";

/**
 * Returns the optimiser that the options name or bring. Throws for one that lacks
 * a parameter that trains.
 */
export function optimizerOf(
  options: TrainingSettings<unknown>,
  parameters: ReadonlyMap<string, Tensor>,
): Optimizer<AdamOptions> {
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
    return optimizer;
  }
  if (lr === undefined) throw new Error("Trainer: learningRate is missing; give it, or an optimizer that has one");
  const Optimizer = optimizer === "adamw8bit" ? AdamW8bit : AdamW;
  return new Optimizer([...parameters.values()], { lr, betas, eps, weightDecay });
}
