import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { ggufFormOf } from "./ggufFormOf.ts";

/**
 * Returns a config's metadata under llama.cpp's keys. Throws for settings without a key in GGUF,
 * since they would be lost.
 */
export async function configMetadata(config: ModelConfig): Promise<Map<string, GgufValue>> {
  const { architecture, metadata } = await ggufFormOf(config);
  return new Map(Object.entries(metadata(config)).map(([key, value]) => [`${architecture}.${key}`, value]));
}
