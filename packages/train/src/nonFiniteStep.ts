import { type Generator, type GeneratorState, scope, type Tensor, withBackend } from "@lowrank/core";
import { backendOf, type TrainableModule } from "./modelBatch.ts";
import { flagOf, ModuleWatch } from "./moduleWatch.ts";
import { lossAndGradients, type MicroBatch } from "./trainingStep.ts";

/** A step whose loss, gradient or update is not finite, and where its random numbers started. */
export interface NonFiniteStep {
  readonly model: TrainableModule;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly parts: readonly MicroBatch[];
  readonly generators: ReadonlyMap<Generator, GeneratorState>;
}

/**
 * Runs a step again from the same random numbers, looking at each module, and says in words where
 * numbers stop being finite. Gradients are to be freed before; those of this run are freed after.
 */
export async function whereNotFinite({ model, parameters, parts, generators }: NonFiniteStep): Promise<string> {
  for (const [generator, state] of generators) generator.state = state;
  using watch = new ModuleWatch(model.namedModules());
  const flags = new Map<string, Tensor>();
  try {
    withBackend(backendOf(model), () => {
      for (const part of parts) scope(() => void lossAndGradients(part, true));
      for (const [name, { grad }] of parameters) if (grad) flags.set(name, flagOf(grad));
    });
    const first = await watch.first();
    if (first) return `the first module that is not finite is ${first.path}, in its ${first.what}`;
    for (const [name, flag] of flags) {
      if (Number.isNaN(await flag.item())) return `the first gradient that is not finite is that of ${name}`;
    }
    return "the outputs and gradients of all modules are finite by themselves";
  } finally {
    for (const flag of flags.values()) flag.dispose();
    for (const parameter of parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
    for (const [generator, state] of generators) generator.state = state;
  }
}
