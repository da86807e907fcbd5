import type { ModelWeights } from "../modelWeights.ts";
import { reusedRoom } from "../reusedRoom.ts";
import type { GgufFile } from "./openGguf.ts";
import { type ReadGgufTensorOptions, readGgufTensor } from "./readGgufTensor.ts";

/** Of most tensors' blocks. */
const roomBytes = 1 << 22;

/** The tensors of a GGUF file by their Hugging Face names. */
export function ggufWeights(file: GgufFile, options: ReadGgufTensorOptions): ModelWeights {
  const withRoom = reusedRoom(roomBytes);
  return {
    label: file.label,
    names: () => [...file.tensors.keys()],
    byteLength: (name) => file.tensors.get(name)?.info.byteLength ?? 0,
    read: (name) => withRoom((room) => readGgufTensor(file, name, { ...options, room })),
  };
}
