import { Generator as Draws, openSafetensors, writeSafetensors } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import {
  architectures,
  createModel,
  ggufDTypes,
  loadModel,
  parseClassifierConfig,
  parseModelConfig,
  randomParameters,
  toGguf,
  writeGguf,
} from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { type Sample, sampleOf } from "../sample.ts";
import { tinySizes } from "./tinySizes.ts";
import { chatTemplate, tokenizerConfig, tokenizerJsons } from "./tokenizerJson.ts";

type Files = Map<string, string | Uint8Array>;

const draw = () => randomParameters(new Draws(1));

/** The files of a small language model of an architecture. */
async function languageModel(modelType: string, more: object = {}): Promise<Files> {
  const config = parseModelConfig({ model_type: modelType, ...tinySizes, ...more });
  const contents = await modelFileContents(createModel(config, draw()), config);
  const generation = { do_sample: false, eos_token_id: [2], pad_token_id: 0, max_new_tokens: 2, temperature: 0.7 };
  return new Map([
    ...contents,
    ["generation_config.json", JSON.stringify({ ...generation, top_k: 5, top_p: 0.9, repetition_penalty: 1.1 })],
    ["tokenizer.json", JSON.stringify(tokenizerJsons.byteLevel)],
    ["tokenizer_config.json", JSON.stringify(tokenizerConfig({ chat_template: chatTemplate }))],
  ]);
}

/** The files of a small classifier of an architecture. */
async function classifier(modelType: string): Promise<Files> {
  const labels = { id2label: { 0: "no", 1: "yes" }, label2id: { no: 0, yes: 1 } };
  const config = parseClassifierConfig({ model_type: modelType, ...tinySizes, ...labels });
  const contents = await modelFileContents(createModel(config, draw()), config);
  return new Map([
    ...contents,
    ["tokenizer.json", JSON.stringify(tokenizerJsons.wordPiece)],
    ["tokenizer_config.json", JSON.stringify(tokenizerConfig())],
  ]);
}

/** A model's weights in two files with an index. */
async function sharded(files: Files): Promise<Files> {
  const { "model.safetensors": weights, ...others } = Object.fromEntries(files);
  const file = await openSafetensors(weights as Uint8Array);
  const tensors = await Promise.all(file.names().map(async (name) => ({ name, ...(await file.readStored(name)) })));
  const half = Math.ceil(tensors.length / 2);
  const shards = [tensors.slice(0, half), tensors.slice(half)];
  const nameOf = (i: number) => `model-0000${i + 1}-of-00002.safetensors`;
  const map = shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)]));
  const index = { metadata: { total_size: 0 }, weight_map: Object.fromEntries(map) };
  return new Map<string, string | Uint8Array>([
    ...Object.entries(others),
    ["model.safetensors.index.json", JSON.stringify(index)],
    ...shards.map((shard, i) => [nameOf(i), writeSafetensors(shard, { format: "pt" })] as const),
  ]);
}

/** A model with weights in bitsandbytes' 4 bits. */
async function quantized(files: Files): Promise<Files> {
  const { model, config } = await loadModel(memoryFiles(files), { quantize: { quantType: "nf4" } });
  return new Map([...files, ...(await modelFileContents(model, config))]);
}

async function gguf(files: Files, dtype: (typeof ggufDTypes)[number]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeGguf(await toGguf(memoryFiles(files), { dtype }))) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

/** Models of each architecture and head, as folders and as GGUF files of each dtype. */
export async function* modelSamples(): AsyncGenerator<Sample> {
  for (const { modelType, heads, gguf: hasGguf } of architectures()) {
    if (heads.causalLM) {
      const files = await languageModel(modelType);
      yield sampleOf("model", modelType, files);
      if (hasGguf) yield sampleOf("gguf", modelType, [["model.gguf", await gguf(files, "f32")]]);
    }
    if (heads.sequenceClassification) yield sampleOf("classifier", modelType, await classifier(modelType));
  }
  const llama = await languageModel("llama", { tie_word_embeddings: true });
  for (const dtype of ggufDTypes) yield sampleOf("gguf", dtype, [["model.gguf", await gguf(llama, dtype)]]);
  const spm = new Map([...llama, ["tokenizer.json", JSON.stringify(tokenizerJsons.sentencePiece)] as const]);
  yield sampleOf("gguf", "sentencePiece", [["model.gguf", await gguf(spm, "q8_0")]]);
  yield sampleOf("model", "sharded", await sharded(llama));
  yield sampleOf("model", "nf4", await quantized(await languageModel("llama")));
}
