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

/** Matches the suffix of an additional entry of a quantised weight, as bitsandbytes names them. */
export const partKey: RegExp = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+)$/;

/** Returns true if an entry of a checkpoint is an additional entry of a quantised weight, such as `weight.absmax`. */
export function isPartOfQuantized(entry: string): boolean {
  return partKey.test(entry);
}
