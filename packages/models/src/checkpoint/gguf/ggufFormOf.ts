import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufForm } from "../../gguf/ggufForm.ts";
import { architectureOf } from "../../registry/registry.ts";

/** Returns the GGUF conversion for the model of a config. Throws if its architecture cannot be stored as GGUF. */
export async function ggufFormOf(config: ModelConfig): Promise<GgufForm<ModelConfig>> {
  const form = await architectureOf(config).gguf?.();
  if (form) return form;
  throw new Error(`a ${config.modelType} cannot be written as GGUF; keep it as a Hugging Face folder`);
}
