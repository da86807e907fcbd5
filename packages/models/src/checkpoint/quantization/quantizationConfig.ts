import type { QuantType } from "@lowrank/core";
import { Linear4bit, type Module } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import { describeBuilt } from "../../registry/build/describeBuilt.ts";
import { loadArchitecture } from "../../registry/loadArchitecture.ts";

/** The 4-bit quantisation of a checkpoint, as described by transformers' BitsAndBytesConfig. */
export interface QuantizationConfig {
  quantType: QuantType;
  doubleQuant: boolean;
  /** Paths of linear layers that are not quantised. */
  skipModules: readonly string[];
}

/**
 * Returns the settings with which a model's linear layers are quantised to 4 bits; null if none is quantised. Throws if
 * the settings differ between layers, since a config cannot store this.
 */
export async function quantizationOf(
  model: Module,
  config: ModelConfig | ClassifierConfig,
): Promise<QuantizationConfig | null> {
  const { layers: described } = describeBuilt(await loadArchitecture(config), config);
  const linear = described.filter(({ kind }) => kind === "linear" || kind === "conv1d");
  const layers = linear.map(({ path }) => [path, model.getSubmodule(path)] as const);
  const quantized = layers.flatMap(([path, layer]) => (layer instanceof Linear4bit ? [[path, layer] as const] : []));
  if (quantized.length === 0) return null;
  const [[first, { quantType, doubleQuant }]] = quantized;
  const other = quantized.find(([, l]) => l.quantType !== quantType || l.doubleQuant !== doubleQuant);
  if (other) {
    throw new Error(`${first} and ${other[0]} are quantised in different ways, which config.json cannot express`);
  }
  const skipModules = layers.flatMap(([path, layer]) => (layer instanceof Linear4bit ? [] : [path]));
  return { quantType, doubleQuant, skipModules };
}

/** Returns `quantization_config` in the form that transformers writes. */
export function quantizationConfigToHf(config: QuantizationConfig): Record<string, unknown> {
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    bnb_4bit_compute_dtype: "float32",
    bnb_4bit_quant_storage: "uint8",
    bnb_4bit_quant_type: config.quantType,
    bnb_4bit_use_double_quant: config.doubleQuant,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: config.skipModules,
    load_in_4bit: true,
    load_in_8bit: false,
    quant_method: "bitsandbytes",
  };
}
