import { checkOptions } from "@lowrank/core/internal";
import type { DataBatch } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptableModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { startFromData } from "./startFromData.ts";

/**
 * Initialises a new adapter with EVA, under PEFT's name. A gets the directions in which the layers' inputs on `batches`
 * vary most; B stays zero. Ranks are redistributed to the layers whose inputs they explain best, up to `rho` times the
 * rank. Their sum does not change, and a layer with rank 0 loses its adapter. Requires an untrained adapter with
 * `initLoraWeights: "eva"`; equivalent to `startFromData`. Throws for batches with fewer tokens than ranks. Paischer et
 * al. 2024, https://arxiv.org/abs/2410.07170
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
