import { blockFormats, OptionError } from "@lowrank/core";
import type { ModelWeights } from "../modelWeights.ts";
import { reusableBuffer } from "../reusableBuffer.ts";
import type { GgufFile } from "./openGguf.ts";
import { type ReadGgufTensorOptions, readGgufTensor } from "./readGgufTensor.ts";

/** Size in bytes of the reusable read buffer, large enough for the blocks of most tensors. */
const roomBytes = 1 << 22;

/**
 * Returns the tensors of a GGUF file by Hugging Face name. Throws if `packed` is set and all tensors have types that
 * cannot stay quantised in memory.
 */
export function ggufWeights(file: GgufFile, options: ReadGgufTensorOptions): ModelWeights {
  const types = new Set(Array.from(file.tensors.values(), ({ info }) => info.type));
  if (options.packed && ![...types].some(({ packed }) => packed)) {
    const packedNames = Object.keys(blockFormats).map((dtype) => dtype.toUpperCase());
    const found = Array.from(types, ({ name }) => name);
    const supported = `supports ${packedNames.join(" and ")}, but the file has only ${found.join(", ")}`;
    throw new OptionError("", "weights", "packed", (named) => {
      return `${file.label}: ${named("weights", "packed")} ${supported}; leave ${named("weights")} out, or load it with quantize`;
    });
  }
  const withRoom = reusableBuffer(roomBytes);
  return {
    label: file.label,
    names: () => [...file.tensors.keys()],
    byteLength: (name) => file.tensors.get(name)!.info.byteLength,
    read: (name) => withRoom((room) => readGgufTensor(file, name, { ...options, room })),
  };
}
