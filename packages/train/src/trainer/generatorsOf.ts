import { defaultGenerator, Generator } from "@lowrank/core";
import type { TrainableModule } from "../data/modelBatch.ts";

/**
 * Returns the sources of randomness inside a model (dropout), in the order of its modules. With
 * `own`, the default one is the first: code of one's own may draw from it too.
 */
export function generatorsOf(model: TrainableModule, own: boolean): Generator[] {
  const found = new Set<Generator>(own ? [defaultGenerator] : []);
  for (const [, module] of model.namedModules()) {
    if ("generator" in module && module.generator instanceof Generator) found.add(module.generator);
  }
  return [...found];
}
