import type { ModelWeights } from "../modelWeights.ts";
import type { GgufFile } from "./openGguf.ts";
import { type ReadGgufTensorOptions, readGgufTensor } from "./readGgufTensor.ts";

/** The tensors of a GGUF file by their Hugging Face names. */
export function ggufWeights(file: GgufFile, options: ReadGgufTensorOptions): ModelWeights {
  return {
    label: file.label,
    names: () => [...file.tensors.keys()],
    byteLength: (name) => file.tensors.get(name)?.info.byteLength ?? 0,
    read: (name) => readGgufTensor(file, name, options),
  };
}
