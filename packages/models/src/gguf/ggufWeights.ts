import type { ModelWeights } from "../modelWeights.ts";
import type { GgufFile } from "./openGguf.ts";
import { type ReadGgufTensorOptions, readGgufTensor } from "./readGgufTensor.ts";

/** Of most tensors' blocks. */
const roomBytes = 1 << 22;

/** The tensors of a GGUF file by their Hugging Face names. */
export function ggufWeights(file: GgufFile, options: ReadGgufTensorOptions): ModelWeights {
  // Read into again and again: an array for each tensor would be held until it is collected.
  let room: Uint8Array | undefined = new Uint8Array(roomBytes);
  const read = async (name: string) => {
    const taken = room;
    room = undefined;
    try {
      return await readGgufTensor(file, name, { ...options, room: taken });
    } finally {
      room ??= taken;
    }
  };
  return {
    label: file.label,
    names: () => [...file.tensors.keys()],
    byteLength: (name) => file.tensors.get(name)?.info.byteLength ?? 0,
    read,
  };
}
