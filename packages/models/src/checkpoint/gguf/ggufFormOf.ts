import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufForm } from "../../gguf/ggufForm.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { architectureOf } from "../../registry/registry.ts";

/** Returns the GGUF conversion for the model of a config. Throws if its architecture cannot be stored as GGUF. */
export async function ggufFormOf(config: ModelConfig): Promise<GgufForm<ModelConfig>> {
  const form = await architectureOf(config).gguf?.();
  if (form) return form;
  throw new Error(`a ${config.modelType} cannot be written as GGUF; keep it as a Hugging Face folder`);
}

/** Converts a config to GGUF metadata, with llama.cpp's keys. Throws for settings that have no GGUF key. */
export async function configMetadata(config: ModelConfig): Promise<Map<string, GgufValue>> {
  const { architecture, metadata } = await ggufFormOf(config);
  return new Map(Object.entries(metadata(config)).map(([key, value]) => [`${architecture}.${key}`, value]));
}
