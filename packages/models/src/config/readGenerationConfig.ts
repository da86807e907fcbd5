import { type ModelFiles, readJson } from "@lowrank/files";
import type { GenerationConfig } from "./generationConfig.ts";

/** Reads `generation_config.json`; null if the model has none. */
export async function readGenerationConfig(files: ModelFiles): Promise<GenerationConfig | null> {
  const name = "generation_config.json";
  if (!(await files.has(name))) return null;
  const { parseGenerationConfig } = await import("./generationConfig.ts");
  return parseGenerationConfig(await readJson(files, name), `${name} of ${files.label}`);
}
