import { to, writeSafetensors } from "@lowrank/core";
import { type ModelFiles, writeFolder } from "@lowrank/files";
import type { CausalLM } from "./causalLM.ts";
import { type ModelConfig, toHfConfig } from "./config/modelConfig.ts";

/** Options of `saveModel`. */
export interface SaveModelOptions {
  /** The dtype of the weights on disk. Default: that of each parameter in memory. */
  dtype?: "f32" | "f16" | "bf16";
  /** Where tokenizer and generation files are copied from, unchanged. */
  companions?: ModelFiles;
}

const companionNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "generation_config.json",
];

/** A dtype's name in config.json. */
export const torchNames = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

/**
 * The files of a Hugging Face folder that holds `model`: config.json, model.safetensors and, from `companions`, its
 * tokenizer. A tied output layer is written once, as the embedding.
 */
export async function modelFileContents(
  model: CausalLM,
  config: ModelConfig,
  options: SaveModelOptions = {},
): Promise<Map<string, Uint8Array | string>> {
  const tensors = [];
  for (const [name, parameter] of model.stateDict()) {
    const dtype = options.dtype ?? parameter.dtype;
    using cast = parameter.dtype === dtype ? parameter.detach() : to(parameter.detach(), { dtype });
    tensors.push({ name, dtype, shape: parameter.shape, bytes: await cast.bytes() });
  }
  const dtype = torchNames[(tensors[0]?.dtype ?? "f32") as keyof typeof torchNames];
  const contents = new Map<string, Uint8Array | string>([
    ["config.json", `${JSON.stringify(toHfConfig(config, { dtype }), null, 2)}\n`],
    ["model.safetensors", writeSafetensors(tensors, { format: "pt" })],
  ]);
  const { companions } = options;
  for (const name of companionNames) {
    if (companions && (await companions.has(name))) contents.set(name, await companions.readText(name));
  }
  return contents;
}

/** Writes a model as a Hugging Face folder that transformers, vLLM and `loadModel` read (Node only). */
export async function saveModel(
  model: CausalLM,
  config: ModelConfig,
  folder: string | URL,
  options: SaveModelOptions = {},
): Promise<void> {
  await writeFolder(folder, await modelFileContents(model, config, options));
}
