import { streamSafetensors } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { encodeBlocks } from "../../gguf/types/ggmlTypes.ts";
import { configText } from "../../registry/configs/hfConfig.ts";
import { toHfConfig } from "../../registry/configs/modelConfig.ts";
import { type SaveModelOptions, torchNames } from "../saveModel.ts";
import type { GgufFile } from "./openGguf.ts";
import { readGgufTensor } from "./readGgufTensor.ts";

/**
 * Converts a GGUF model to the files of a Hugging Face folder, for `writeFolder`: config.json, model.safetensors, and
 * the tokenizer if the file has one. A tensor is read and converted only when its bytes are requested. `dtype` is the
 * dtype of model.safetensors; the default f32 is lossless. If a value is outside the range of f16, reading the file's
 * bytes throws.
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
