import { writeSafetensors } from "@lowrank/core";
import { adapterFileNames, safetensorsMetadata } from "../files/adapterFiles.ts";
import { configJson } from "../files/configFile.ts";
import { lora } from "../methods/lora/lora.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { filePrefix } from "../model/adapter/adapter.ts";
import type { StoredTensor } from "./storedTensor.ts";

/** LoRA tensors of one layer from a file in another format, converted to PEFT's names and shapes. */
export interface ForeignLayer {
  path: string;
  alpha: number;
  /** A [r, in], B [out, r] and the layer's other tensors, by their keys in PEFT's files. */
  tensors: Record<"lora_A.weight" | "lora_B.weight", StoredTensor> & Record<string, StoredTensor>;
}

/**
 * Returns the files of a PEFT adapter with these layers. The first layer sets `r` and `lora_alpha`; layers that differ
 * are listed in `rank_pattern` and `alpha_pattern`.
 */
export function peftFiles(
  layers: readonly ForeignLayer[],
  options: { loraDropout?: number; useDora?: boolean; baseModelNameOrPath?: string | null } = {},
): Map<string, Uint8Array | string> {
  const rank = ({ tensors }: ForeignLayer) => tensors["lora_A.weight"].shape[0];
  const [r, loraAlpha] = [rank(layers[0]), layers[0].alpha];
  const others = (value: (layer: ForeignLayer) => number, first: number) =>
    Object.fromEntries(layers.filter((layer) => value(layer) !== first).map((layer) => [layer.path, value(layer)]));
  const config = new LoraConfig({
    ...options,
    r,
    loraAlpha,
    rankPattern: others(rank, r),
    alphaPattern: others(({ alpha }) => alpha, loraAlpha),
    targetModules: layers.map(({ path }) => path),
  });
  const entries = layers.flatMap(({ path, tensors }) =>
    Object.entries(tensors).map(([key, tensor]) => ({ ...tensor, name: `${filePrefix}${path}.${key}` })),
  );
  return new Map<string, Uint8Array | string>([
    [adapterFileNames.config, configJson(lora, config)],
    [adapterFileNames.weights, writeSafetensors(entries, safetensorsMetadata)],
  ]);
}
