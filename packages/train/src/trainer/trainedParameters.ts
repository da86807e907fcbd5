import type { Tensor } from "@lowrank/core";
import type { AnyExample } from "../data/batches/collateAny.ts";
import { type TrainableModule, withRows } from "../data/batches/modelBatch.ts";

/**
 * Returns the parameters that a training changes, by name. If examples name adapters, these are the parameters of the
 * named adapters, otherwise all parameters that require gradients. Throws for an adapter without trainable parameters,
 * and for an adapter that cannot train together with others.
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
