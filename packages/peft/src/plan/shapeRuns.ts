import { backward, type MetaBackend, type MetaBuffer, noGrad, scope, type Tensor, tensor } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { BuiltModel } from "./plannableModel.ts";
import { Trace, type Traced } from "./trace.ts";

/** The sizes of one run. */
export interface RunSizes {
  batchSize: number;
  sequenceLength: number;
  gradientAccumulationSteps: number;
}

/**
 * Runs the forward and backward passes of a step; a gradient counts
 * `gradientBytes` for each number.
 */
export function trainStep(
  backend: MetaBackend,
  model: BuiltModel | PeftModel<BuiltModel>,
  { batchSize, sequenceLength, gradientAccumulationSteps }: RunSizes,
  gradientBytes: number,
): Traced {
  const trace = new Trace(backend);
  model.train();
  // From the second pass on, all are alike.
  for (let pass = 0; pass < Math.min(2, gradientAccumulationSteps); pass++) {
    trace.phase("forward");
    scope(() => {
      const ids = (): Tensor => backend.tensor({ shape: [batchSize, sequenceLength], dtype: "i32" });
      const loss = model.loss({ inputIds: ids(), labels: ids() });
      trace.phase("backward");
      backward(loss, tensor(1));
    });
    for (const { grad, size } of model.parameters()) {
      if (grad) trace.gradient(grad.storage.buffer as MetaBuffer, backend.planned(size * gradientBytes));
    }
  }
  return trace.read();
}

/** Reads a prompt into a cache, without gradients. */
export function readPrompt(
  backend: MetaBackend,
  model: BuiltModel,
  { batchSize, sequenceLength }: RunSizes,
): { kvCache: number; bytes: number } {
  const trace = new Trace(backend);
  model.eval();
  const cache = model.createCache(batchSize, sequenceLength);
  const kvCache = trace.read().held;
  noGrad(() =>
    scope(() => {
      const inputIds = backend.tensor({ shape: [batchSize, sequenceLength], dtype: "i32" });
      model.nextLogits({ inputIds, cache: cache as never });
    }),
  );
  return { kvCache, bytes: trace.read().peak.bytes };
}

/** The parameters that a step changes. */
export function trainedParameters(model: Module): Parameter[] {
  return [...model.parameters()].filter(({ requiresGrad }) => requiresGrad);
}
