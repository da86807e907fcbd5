import { fromParts, type SafetensorsFile, type Tensor } from "@lowrank/core";
import { reusableBuffer } from "./reusableBuffer.ts";

/** Bytes read of a file at a time. */
const partBytes = 1 << 22;

/** The dtypes that a weight may be stored in. */
const floats = ["F32", "F16", "BF16"];

/**
 * A model's tensors by their Hugging Face names, wherever they lie; only what is read is loaded.
 */
export interface ModelWeights {
  /** The name of the weights' place in messages. */
  readonly label: string;
  /** The tensors that the model has. */
  names(): string[];
  /** Bytes that a tensor takes where it lies. */
  byteLength(name: string): number;
  /** Reads one tensor, in the dtype it is to have in memory. */
  read(name: string): Promise<Tensor>;
}

/**
 * The tensors of safetensors files, as `dtype`; "auto" keeps the file's. Throws where one
 * holds no floating numbers.
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
