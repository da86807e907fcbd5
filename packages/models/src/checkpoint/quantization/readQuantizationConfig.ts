import { type ModelFiles, readJson } from "@lowrank/files";
import { JsonFields } from "../../config/jsonFields.ts";
import type { QuantizationConfig } from "./quantizationConfig.ts";

/**
 * Reads `quantization_config` of a config.json; null if it has none. Throws for quantisation other than bitsandbytes' 4
 * bits. Only checks that the config is supported, since each tensor stores its own packing.
 */
export async function readQuantizationConfig(files: ModelFiles): Promise<QuantizationConfig | null> {
  const json = new JsonFields(await readJson(files, "config.json"), `config.json of ${files.label}`);
  const fields = json.object("quantization_config");
  if (!fields) return null;
  const { parseQuantizationConfig } = await import("./parseQuantizationConfig.ts");
  return parseQuantizationConfig(fields);
}
