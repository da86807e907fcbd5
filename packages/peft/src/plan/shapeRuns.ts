import { backward, type MetaBackend, type MetaBuffer, noGrad, scope, type Tensor, tensor } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { BuiltModel } from "./onShapes.ts";
import { Trace, type Traced } from "./trace.ts";

/** A model whose tensors have shapes but no values. Its training step is run to plan the memory that it needs. */
export type PlannedModel = BuiltModel | PeftModel<BuiltModel>;

/** Batch size and sequence length of a planned run. */
export interface RunSizes {
  batchSize: number;
  sequenceLength: number;
  gradientAccumulationSteps: number;
}

/** Returns the loss of a language model on a batch of `batchSize` sequences of `sequenceLength` tokens. */
export function languageLoss({ batchSize, sequenceLength }: RunSizes): (model: PlannedModel) => Tensor {
  return (model) => {
    const ids = (): Tensor => {
      const backend = model.backend as MetaBackend;
      return backend.tensor({ shape: [batchSize, sequenceLength], dtype: "i32" });
    };
    return model.loss({ inputIds: ids(), labels: ids() });
  };
}

/**
 * Runs the forward and backward passes of one optimiser step with shapes only. `passes` is the number of batches that
 * the step accumulates. Each gradient element counts as `gradientBytes` bytes.
 */
export function trainStep(
  backend: MetaBackend,
  model: AdaptableModel,
  passes: number,
  gradientBytes: number,
  lossOf: (model: PlannedModel) => Tensor,
): Traced {
  const trace = new Trace(backend);
  model.train();
  // Runs at most two passes, since later ones have the same memory as the second.
  for (let pass = 0; pass < Math.min(2, passes); pass++) {
    trace.phase("forward");
    scope(() => {
      const loss = lossOf(model as PlannedModel);
      trace.phase("backward");
      backward(loss, tensor(1));
    });
    for (const { grad, size } of model.parameters()) {
      if (grad) trace.gradient(grad.storage.buffer as MetaBuffer, backend.planned(size * gradientBytes));
    }
  }
  return trace.read();
}

/**
 * Processes a prompt with a cache, as generation does, with shapes only. Returns the bytes of the cache (`kvCache`),
 * and the peak bytes including the cache (`bytes`). Returns null if the model does not generate.
 */
export function readPrompt(
  backend: MetaBackend,
  model: BuiltModel,
  { batchSize, sequenceLength }: RunSizes,
): { kvCache: number; bytes: number } | null {
  if (!model.createCache) return null;
  const trace = new Trace(backend);
  model.eval();
  const cache = model.createCache(batchSize, sequenceLength);
  const kvCache = trace.read().held;
  noGrad(() =>
    scope(() => {
      const inputIds = backend.tensor({ shape: [batchSize, sequenceLength], dtype: "i32" });
      model.nextLogits?.({ inputIds, cache: cache as never });
    }),
  );
  return { kvCache, bytes: trace.read().peak.bytes };
}

/** Returns the parameters that require gradients. */
export function trainedParameters(model: Module): Parameter[] {
  return [...model.parameters()].filter(({ requiresGrad }) => requiresGrad);
}
