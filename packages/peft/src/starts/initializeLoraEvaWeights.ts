import { checkOptions } from "@lowrank/core/internal";
import type { DataBatch } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { startFromData } from "./startFromData.ts";

/**
 * Initialises a new adapter with EVA, like PEFT's function of this name. The rows of A become the directions in which
 * the layers' inputs on `batches` vary most; B stays zero. Layers whose leading directions explain more variance get
 * higher ranks, up to `rho` times the configured rank. The sum of all ranks does not change, and a layer with rank 0
 * loses its adapter. Requires an untrained adapter with `initLoraWeights: "eva"`; same as `startFromData`. Throws if a
 * batch has fewer tokens than a layer may have ranks. Paischer et al. 2024, https://arxiv.org/abs/2410.07170
 */
export async function initializeLoraEvaWeights<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batches: Iterable<Parameters<M["forward"]>[0] & DataBatch>,
  options: { adapterName?: string } = {},
): Promise<void> {
  checkOptions("initializeLoraEvaWeights", options, { adapterName: true });
  const { adapterName = "default" } = options;
  const { config } = peft.base_model.adapter(adapterName);
  if ((config as { initLoraWeights?: unknown }).initLoraWeights !== "eva") {
    throw new Error(`initializeLoraEvaWeights: adapter "${adapterName}" is not LoRA with initLoraWeights: "eva"`);
  }
  await startFromData(peft, batches, { adapterName });
}
