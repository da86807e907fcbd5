import { bf16ToF32, f16ToF32, type SafetensorsData, type SafetensorsTensor, writeSafetensors } from "@lowrank/core";
import { adapterFileNames, safetensorsMetadata } from "../files/adapterFiles.ts";
import { configJson } from "../files/configFile.ts";
import { lora } from "../methods/lora/lora.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { filePrefix } from "../model/adapter/adapter.ts";

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

/** A tensor's dtype, shape and bytes as a file stores them, without its name. */
type StoredTensor = Omit<SafetensorsTensor, "name">;

/** A tensor of a file, converted to f32. */
export interface StoredValues {
  values: Float32Array;
  shape: number[];
}

/** Converts f32, f16 or bf16 data to f32 values. Throws for other dtypes. */
export function valuesOf({ dtype, shape, bytes }: SafetensorsData, what: string): StoredValues {
  const { buffer } = Uint8Array.from(bytes);
  if (dtype === "f32") return { values: new Float32Array(buffer), shape };
  if (dtype !== "f16" && dtype !== "bf16") throw new Error(`${what} is ${dtype}; it must be f32, f16 or bf16`);
  const bits = new Uint16Array(buffer);
  const values = new Float32Array(bits.length);
  if (dtype === "f16") f16ToF32(bits, values);
  else bf16ToF32(bits, values);
  return { values, shape };
}

/** Returns the transpose of a stored matrix. */
export function transposedStored({ dtype, shape: [rows, columns], bytes }: StoredTensor): StoredTensor {
  const width = bytes.length / (rows * columns);
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < width; k++) out[(j * rows + i) * width + k] = bytes[(i * columns + j) * width + k];
    }
  }
  return { dtype, shape: [columns, rows], bytes: out };
}
