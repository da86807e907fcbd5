import type { SafetensorsFile, Tensor } from "@lowrank/core";
import { fromParts } from "@lowrank/core/internal";
import { reusableBuffer } from "./reusableBuffer.ts";

/** Number of bytes to read from a file at a time. */
const partBytes = 1 << 22;

/** The safetensors dtypes that a weight may have. */
const floats = ["F32", "F16", "BF16"];

/** The tensors of a model by Hugging Face name, from a file of any format. Each is read when `read` is called. */
export interface ModelWeights {
  /** Name of the file or folder in error messages. */
  readonly label: string;
  /** Returns the names of all tensors. */
  names(): string[];
  /** Returns a tensor's size in bytes in the file. */
  byteLength(name: string): number;
  /** Reads one tensor. Converts it to the dtype of weights in memory (the option `dtype` of `loadModel`). */
  read(name: string): Promise<Tensor>;
}

/**
 * Returns the tensors of safetensors files, converted to `dtype`; "auto" keeps each tensor's dtype. Reading throws if a
 * tensor is not F32, F16 or BF16.
 */
export function safetensorsWeights(file: SafetensorsFile, dtype: "f32" | "f16" | "bf16" | "auto"): ModelWeights {
  const withRoom = reusableBuffer(partBytes);
  return {
    label: file.label,
    names: () => file.names(),
    byteLength: (name) => file.info(name).byteLength,
    read: (name) =>
      withRoom((room) => {
        const found = file.info(name).dtype;
        if (!floats.includes(found)) {
          throw new Error(
            `${file.label}: "${name}" is ${found}, not ${floats.join(", ")}; the file is damaged, or quantised in a way that is not supported`,
          );
        }
        const { parts, shape, dtype: stored } = file.readParts(name, room);
        return fromParts(parts, { shape, dtype: stored, to: dtype === "auto" ? stored : dtype });
      }),
  };
}
