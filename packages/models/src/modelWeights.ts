import { type DType, fromBytes, type SafetensorsFile, type Tensor, to } from "@lowrank/core";
import type { ClassifierConfig } from "./config/classifierConfig.ts";
import type { ModelConfig } from "./config/modelConfig.ts";
import { isDerived } from "./openWeights.ts";

/** A model's tensors by their Hugging Face names, wherever they lie; only what is read is loaded. */
export interface ModelWeights {
  /** What messages call the place. */
  readonly label: string;
  /** The tensors that the model has. */
  names(): string[];
  /** Bytes that a tensor takes where it lies. */
  byteLength(name: string): number;
  /** Reads one tensor, in the dtype it is to have in memory. */
  read(name: string): Promise<Tensor>;
}

/** The tensors of safetensors files, as `dtype`; "auto" keeps the file's. */
export function safetensorsWeights(
  file: SafetensorsFile,
  config: ModelConfig | ClassifierConfig,
  dtype: "f32" | "f16" | "bf16" | "auto",
): ModelWeights {
  return {
    label: file.label,
    names: () => file.names().filter((name) => !isDerived(name, config)),
    byteLength: (name) => file.info(name).byteLength,
    read: async (name) => {
      const { bytes, shape, dtype: stored } = await file.read(name);
      const raw = fromBytes(bytes, shape, stored);
      const wanted: DType = dtype === "auto" || stored === "i32" || stored === "u8" ? stored : dtype;
      if (wanted === stored) return raw;
      using released = raw;
      return to(released, { dtype: wanted });
    },
  };
}
