import type { PeftConfig, PromptLearningConfig } from "@lowrank/peft";
import { isPromptMethod, methodOf } from "@lowrank/peft/internal";

/**
 * Returns the number of virtual tokens that an adapter puts before each sequence; 0 for a method without them, and for
 * null (full fine-tuning).
 */
export async function virtualTokens(config: PeftConfig | null): Promise<number> {
  if (config === null || !isPromptMethod(await methodOf(config))) return 0;
  return (config as PromptLearningConfig).numVirtualTokens ?? 0;
}
