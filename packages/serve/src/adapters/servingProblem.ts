import type { MethodFacts, PeftConfig } from "@lowrank/peft";
import { isPromptMethod, methodOf } from "@lowrank/peft/internal";

/**
 * Returns the reason why an adapter with this configuration cannot be served together with others; null if it can.
 * `what` names the adapter in the reason. `maxLoraRank` is the largest rank allowed; undefined means any.
 */
export async function servingProblem(
  config: PeftConfig,
  what: string,
  maxLoraRank: number | undefined,
): Promise<string | null> {
  const method = (await methodOf(config)) as MethodFacts<PeftConfig> & { peftType: string };
  if (isPromptMethod(method as never)) {
    return `${what}: ${method.peftType} puts virtual tokens before all rows of a batch; serve it on a separate server without merging it, or train LoRA instead`;
  }
  if (config.modulesToSave?.length) {
    const modules = config.modulesToSave.join(", ");
    return `${what}: modules_to_save is ${modules}, and all rows of a batch share these; only modules_to_save being None can be served; train LoRA on them instead`;
  }
  const start = method.startsFromWeights?.(config);
  if (start) {
    return `${what} started from ${start.name}, which changes the base weights for all rows; save it with pathInitialModelForWeightConversion (PEFT: path_initial_model_for_weight_conversion)`;
  }
  const rank = method.combines?.kind === "products" ? method.combines.rank(config) : 0;
  if (maxLoraRank !== undefined && rank > maxLoraRank) {
    return `LoRA rank ${rank} is greater than max_lora_rank ${maxLoraRank}.`;
  }
  return null;
}
