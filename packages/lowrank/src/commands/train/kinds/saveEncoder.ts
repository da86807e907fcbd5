import { to, writeSafetensors } from "@lowrank/core";
import { type ModelFiles, readJson, type WritablePlace } from "@lowrank/files";
import { writeFiles } from "@lowrank/files/internal";
import type { Encoder } from "@lowrank/models";
import { torchNames } from "@lowrank/models/internal";
import type { LoadedDType } from "./modelKind.ts";

/** Files to copy with an encoder's weights: its tokenizer, and files of sentence-transformers. */
const companions = [
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "modules.json"],
  ...["sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json"],
];

/**
 * Writes an encoder without a head as transformers' AutoModel reads it, with the companion files of the folder from
 * which it was loaded.
 */
export async function saveEncoder(
  model: Encoder,
  files: ModelFiles,
  place: WritablePlace,
  dtype: LoadedDType = "f32",
): Promise<void> {
  const tensors = [];
  for (const [name, parameter] of model.namedParameters()) {
    using stored = to(parameter, { dtype });
    tensors.push({ name, dtype, shape: stored.shape, bytes: await stored.bytes() });
  }
  // If `architectures` named a head, transformers would initialise a new one.
  const { architectures: _, ...config } = (await readJson(files, "config.json")) as Record<string, unknown>;
  const json = { ...config, torch_dtype: torchNames[dtype] };
  const contents = new Map<string, Uint8Array | string>([
    ["config.json", `${JSON.stringify(json, null, 2)}\n`],
    ["model.safetensors", writeSafetensors(tensors, { format: "pt" })],
  ]);
  for (const name of companions) if (await files.has(name)) contents.set(name, await files.readText(name));
  await writeFiles(place, contents);
}
