import { to, writeSafetensors } from "@lowrank/core";
import { type ModelFiles, readJson, type WritablePlace } from "@lowrank/files";
import { writeFiles } from "@lowrank/files/internal";
import { describeConfig, type Encoder } from "@lowrank/models";
import { torchNames } from "@lowrank/models/internal";
import { isEncoder } from "../../../cli/loading/modelConfig.ts";
import { loadEncoder } from "../../../load/loadModel.ts";
import { loadHeaded, paddingOf, readHeaded } from "./loadHeaded.ts";
import type { LoadedDType, ModelKind } from "./modelKind.ts";

/** Returns the shapes of an encoder, from its config. Throws for other models. */
const describe: ModelKind["describe"] = async (path) => {
  const { json, label } = await readHeaded(path);
  if (!(await isEncoder(path))) {
    throw new Error(`--model ${path} is a ${json.model_type}, which is not an encoder; give a BERT or a similar model`);
  }
  // As transformers' AutoModel reads it, without the head that the checkpoint may have.
  return describeConfig({ ...json, architectures: ["AutoModel"] }, { where: label });
};

/** Kind of model that embeds texts: the embedding of a text is the mean of the model's hidden states. */
export const encoder: ModelKind = {
  taskType: "FEATURE_EXTRACTION",
  pipelineTag: "sentence-similarity",
  writes: false,
  trainsWhole: false,
  startsFromData: false,
  labelsOf: async () => [],
  load: async (path, options) => {
    const shapes = await describe(path, []);
    const loaded = await loadHeaded(path, options, (given) => loadEncoder(path, given));
    const { model, tokenizer, backend, quantization } = loaded;
    return {
      ...{ model, tokenizer, backend, quantization, shapes, fresh: [] },
      padTokenId: await paddingOf(path, await readHeaded(path)),
      save: (place, dtype) => saveEncoder(model, loaded.files, place, dtype),
    };
  },
  describe,
  usage: (base) => ({
    python: [
      "from peft import PeftModel",
      "from transformers import AutoModel",
      "",
      `base = AutoModel.from_pretrained(${JSON.stringify(base)})`,
      'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
    ],
    javascript: [
      'import { embed, loadEncoder, PeftModel } from "lowrank";',
      "",
      `const { model, tokenizer } = await loadEncoder(${JSON.stringify(base)});`,
      'const peft = await PeftModel.fromPretrained(model, "path/to/this/folder");',
      'const [vector] = await embed(peft, [{ inputIds: tokenizer.encode("...") }], { padTokenId: 0 });',
    ],
  }),
};

/** Files to copy with an encoder's weights: its tokenizer, and files of sentence-transformers. */
const companions = [
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "modules.json"],
  ...["sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json"],
];

/**
 * Writes an encoder without a head in the format that transformers' AutoModel reads. Also copies the companion files
 * from the folder from which the encoder was loaded.
 */
async function saveEncoder(
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
