import { openSafetensors, openShardedSafetensors, parseSafetensorsIndex, type SafetensorsFile } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import { underModelNames } from "./checkpointNames.ts";
import { checkTie } from "./checkTie.ts";
import type { ClassifierConfig } from "./config/classifierConfig.ts";
import type { ModelConfig } from "./config/modelConfig.ts";

/** Opens the weights of a Hugging Face folder, under the model's names: model.safetensors, else the shards that its index names. */
export async function openWeights(files: ModelFiles, config: ModelConfig | ClassifierConfig): Promise<SafetensorsFile> {
  const file = underModelNames(await openFiles(files), config);
  await checkTie(file, config);
  return file;
}

async function openFiles(files: ModelFiles): Promise<SafetensorsFile> {
  const open = async (name: string) => openSafetensors(await files.open(name), `${name} of ${files.label}`);
  const single = "model.safetensors";
  const index = `${single}.index.json`;
  if ((await files.has(single)) || !(await files.has(index))) return open(single);
  const label = `${index} of ${files.label}`;
  return openShardedSafetensors(parseSafetensorsIndex(await files.readText(index), label), open, label);
}

/** Tensors that old checkpoints carry though they follow from the config or repeat a tied one. */
export function isDerived(name: string, config: ModelConfig | ClassifierConfig): boolean {
  if (name === "lm_head.weight") return "tieWordEmbeddings" in config && config.tieWordEmbeddings;
  return /\.(rotary_emb\.inv_freq|attn\.(masked_)?bias|embeddings\.position_ids)$/.test(name);
}
