import { checkOptions, streamSafetensors } from "@lowrank/core";
import { configText } from "../../config/configText.ts";
import { encodeBlocks } from "../../gguf/types/ggmlTypes.ts";
import { toHfConfig } from "../../registry/modelConfig.ts";
import { type SaveModelOptions, torchNames } from "../saveModel.ts";
import type { GgufFile } from "./openGguf.ts";
import { readGgufTensor } from "./readGgufTensor.ts";

/**
 * Returns a GGUF file's model as the files of a Hugging Face folder, for `writeFolder`:
 * config.json, the tokenizer if it has one, and model.safetensors. The weights are read, widened
 * and handed on one tensor at a time. Default dtype f32, which loses nothing. Throws, as the
 * tensors come, for numbers that f16 cannot hold.
 */
export async function fromGguf(
  file: GgufFile,
  options: Pick<SaveModelOptions, "dtype"> = {},
): Promise<Map<string, string | AsyncIterable<Uint8Array>>> {
  checkOptions("fromGguf", options, { dtype: true });
  const { dtype = "f32" } = options;
  const tensors = Array.from(file.tensors, ([name, { layout }]) => ({
    name,
    dtype,
    shape: layout.shape,
    read: async () => {
      using tensor = await readGgufTensor(file, name);
      const values = (await tensor.data()) as Float32Array;
      return encodeBlocks(dtype.toUpperCase() as Uppercase<typeof dtype>, values, `${file.label}: "${name}"`);
    },
  }));
  const config = toHfConfig(file.config, { dtype: torchNames[dtype] });
  const contents = new Map<string, string | AsyncIterable<Uint8Array>>([
    ["config.json", configText(config)],
    ["model.safetensors", streamSafetensors(tensors, { format: "pt" })],
  ]);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    if (await file.files.has(name)) contents.set(name, await file.files.readText(name));
  }
  return contents;
}
