import { type ModelFiles, readJson } from "@lowrank/files";
import { JsonFields } from "../../config/jsonFields.ts";
import type { QuantizationConfig } from "./quantizationConfig.ts";

/**
 * Reads `quantization_config` of a config.json; null if it is missing. Throws for quantisation other than bitsandbytes'
 * 4 bits.
 */
export async function readQuantizationConfig(files: ModelFiles): Promise<QuantizationConfig | null> {
  const json = new JsonFields(await readJson(files, "config.json"), `config.json of ${files.label}`);
  const fields = json.object("quantization_config");
  if (!fields) return null;
  const { parseQuantizationConfig } = await import("./parseQuantizationConfig.ts");
  return parseQuantizationConfig(fields);
}

/** Matches the suffix, such as `.absmax`, of an additional entry that bitsandbytes stores for a quantised weight. */
export const partKey: RegExp = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+)$/;

/**
 * Returns true for an additional checkpoint entry of a quantised weight, such as `weight.absmax`, and false for
 * weights.
 */
export function isPartOfQuantized(entry: string): boolean {
  return partKey.test(entry);
}
