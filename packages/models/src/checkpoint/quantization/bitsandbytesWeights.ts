import { fromBitsandbytes, type SafetensorsFile } from "@lowrank/core";
import { type ModelWeights, safetensorsWeights } from "../modelWeights.ts";
import type { WeightOptions } from "../openModel.ts";
import type { QuantizationConfig } from "./quantizationConfig.ts";
import { partKey } from "./readQuantizationConfig.ts";

/**
 * Returns the tensors of safetensors files. A weight that bitsandbytes quantised to 4 bits is combined with its
 * additional entries (such as `weight.absmax`) into one packed tensor. Throws if the file has quantised weights but
 * config.json has no `quantization_config`, or the reverse.
 */
export function bitsandbytesWeights(
  file: SafetensorsFile,
  dtype: NonNullable<WeightOptions["dtype"]>,
  quantization: QuantizationConfig | null,
): ModelWeights {
  const packed = new Set(file.names().flatMap((name) => (partKey.test(name) ? [name.replace(partKey, "")] : [])));
  if (packed.size > 0 !== (quantization !== null)) {
    throw new Error(
      quantization
        ? `${file.label}: config.json has a quantization_config, but no weight has a quant_state; the weights are of another model, or were dequantised: remove quantization_config`
        : `${file.label}: ${[...packed][0]} is quantised by bitsandbytes, but config.json has no quantization_config; copy it from the original folder`,
    );
  }
  const plain = safetensorsWeights(file, dtype);
  const parts = new Map([...packed].map((name) => [name, file.names().filter((n) => isPart(n, name))]));
  const owned = new Set([...parts.values()].flat());
  return {
    label: file.label,
    names: () => plain.names().filter((name) => packed.has(name) || !owned.has(name)),
    byteLength: (name) => (parts.get(name) ?? [name]).reduce((sum, part) => sum + file.info(part).byteLength, 0),
    read: async (name) => {
      const entries = parts.get(name);
      if (!entries) return plain.read(name);
      const read = async (part: string) => ({ name: part, ...(await file.read(part)) });
      const stored = await Promise.all(entries.map(read));
      try {
        return fromBitsandbytes(stored, name).weight;
      } catch (cause) {
        throw new Error(`${file.label}: ${(cause as Error).message}`, { cause });
      }
    },
  };
}

/**
 * Returns true if a checkpoint entry is the quantised weight `name` itself, or belongs to it, as `weight.absmax`
 * belongs to `weight`.
 */
function isPart(entry: string, name: string): boolean {
  return entry === name || entry.startsWith(`${name}.`);
}
