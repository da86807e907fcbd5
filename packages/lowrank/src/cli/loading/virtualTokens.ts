import { isPromptMethod, methodOf, type PeftConfig, type PromptLearningConfig } from "@lowrank/peft";

/**
 * Counts the tokens that a configuration puts before each sequence; null, for a whole model, puts
 * none.
 */
export async function virtualTokens(config: PeftConfig | null): Promise<number> {
  if (config === null || !isPromptMethod(await methodOf(config))) return 0;
  return (config as PromptLearningConfig).numVirtualTokens ?? 0;
}
