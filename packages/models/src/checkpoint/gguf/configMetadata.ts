import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { ggufFormOf } from "./ggufFormOf.ts";

/** Converts a config to GGUF metadata, with llama.cpp's keys. Throws for settings that have no GGUF key. */
export async function configMetadata(config: ModelConfig): Promise<Map<string, GgufValue>> {
  const { architecture, metadata } = await ggufFormOf(config);
  return new Map(Object.entries(metadata(config)).map(([key, value]) => [`${architecture}.${key}`, value]));
}
