import { defaultGenerator, Generator } from "@lowrank/core";
import type { TrainableModule } from "../data/batches/modelBatch.ts";

/**
 * Returns the random generators that a model uses, for example for dropout, in the order of its modules. With `own` (a
 * custom task), also includes the default generator, first, since custom code may use it.
 */
export function generatorsOf(model: TrainableModule, own: boolean): Generator[] {
  const found = new Set<Generator>(own ? [defaultGenerator] : []);
  for (const [, module] of model.namedModules()) {
    const { generator } = module as { generator?: unknown };
    if (generator instanceof Generator) found.add(generator);
  }
  return [...found];
}
