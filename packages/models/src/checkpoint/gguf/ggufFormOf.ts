import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufForm } from "../../gguf/ggufForm.ts";
import { architectureOf } from "../../registry/registry.ts";

/** Returns the GGUF form of a config's model. Throws if its architecture has no GGUF form. */
export async function ggufFormOf(config: ModelConfig): Promise<GgufForm<ModelConfig>> {
  const form = await architectureOf(config).gguf?.();
  if (form) return form;
  throw new Error(`a ${config.modelType} cannot be written as GGUF; keep it as a Hugging Face folder`);
}
