import { type ModelFiles, readJson } from "@lowrank/files";
import { JsonFields } from "../../config/jsonFields.ts";
import type { QuantizationConfig } from "./quantizationConfig.ts";

/**
 * Reads `quantization_config` of a config.json; null where there is none. Throws for other ways of
 * quantising than bitsandbytes' 4 bits. Each tensor's own state says how it is packed; the config
 * need only be one that is understood.
 */
export async function readQuantizationConfig(files: ModelFiles): Promise<QuantizationConfig | null> {
  const json = new JsonFields(await readJson(files, "config.json"), `config.json of ${files.label}`);
  const fields = json.object("quantization_config");
  if (!fields) return null;
  const { parseQuantizationConfig } = await import("./parseQuantizationConfig.ts");
  return parseQuantizationConfig(fields);
}
