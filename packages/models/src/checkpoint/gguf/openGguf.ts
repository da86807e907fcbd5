import { type ByteSource, byteSource } from "@lowrank/core";
import { type ModelFiles, memoryFiles, type OpenOptions, openFile } from "@lowrank/files";
import type { ModelConfig } from "../../config/architectureConfig.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { GgufForm, GgufParts, TensorLayout } from "../../gguf/ggufForm.ts";
import { type GgufHeader, type GgufTensorInfo, readGguf } from "../../gguf/readGguf.ts";
import { type GgufTokenizer, ggufTokenizer } from "../../gguf/tokenizer/ggufTokenizer.ts";
import { decodeBlocks } from "../../gguf/types/ggmlTypes.ts";
import type { Architecture } from "../../model/architecture.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import { architectures } from "../../registry/registry.ts";
import { readBlocks } from "./readBlocks.ts";
import { fileShape, ggufFormOf, tensorLayouts } from "./tensorLayout.ts";

/**
 * A tensor of a GGUF file. `info` is its entry in the file's tensor table. `layout` describes how names, shape and
 * values differ from the Hugging Face tensor.
 */
export interface GgufTensorPlace {
  readonly info: GgufTensorInfo;
  readonly layout: TensorLayout;
}

/** An open GGUF file. Its tensor data is not in memory; it is read on demand. */
export interface GgufFile {
  /** The file's name in error messages. */
  readonly label: string;
  readonly source: ByteSource;
  readonly header: GgufHeader;
  readonly config: ModelConfig;
  /** The contents of tokenizer.json and tokenizer_config.json; undefined if the file has no tokenizer. */
  readonly tokenizer: GgufTokenizer | undefined;
  /**
   * The files that a Hugging Face folder of this model would have, except for the weights: config.json, and the
   * tokenizer if the GGUF file has one.
   */
  readonly files: ModelFiles;
  /** The tensors by Hugging Face name, in model order. */
  readonly tensors: ReadonlyMap<string, GgufTensorPlace>;
}

/** Tensors that store rotary frequency factors, not weights of the model. */
const notWeights = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/**
 * Opens a GGUF file and reads its metadata and tensor table; tensor data is read on demand. Throws if the architecture,
 * the tokenizer or a tensor's type is not supported, or if the tensors do not match the metadata.
 */
export async function openGguf(source: ByteSource, label = "the GGUF file"): Promise<GgufFile> {
  const header = await readGguf(source, label);
  checkWhole(header, label);
  checkLayers(header, label);
  const configJson = await ggufConfig(header, label, await readRopeFactors(source, header, label));
  const config = parseModelConfig(configJson, label);
  const tokenizer = ggufTokenizer(header, label);
  return {
    label,
    source,
    header,
    config,
    tokenizer,
    files: companionFiles(header, configJson, tokenizer !== undefined, label),
    tensors: await placeTensors(header, config, label),
  };
}

async function readRopeFactors(
  source: ByteSource,
  { tensors }: GgufHeader,
  label: string,
): Promise<ReadonlyMap<string, Float32Array>> {
  const factors = new Map<string, Float32Array>();
  for (const name of notWeights) {
    const info = tensors.get(name);
    if (info) factors.set(name, decodeBlocks(info.type, await readBlocks(source, info, label)));
  }
  return factors;
}

/** Throws if the file is one part of a model that is split into several files (`split.count` of 2 or more). */
function checkWhole({ metadata }: GgufHeader, label: string): void {
  const [count, number] = ["split.count", "split.no"].map((key) => Number(metadata.get(key)?.value ?? 0));
  if (count < 2) return;
  throw new Error(
    `${label} is file ${number + 1} of ${count} of a model that was split; join them with llama.cpp: llama-gguf-split --merge`,
  );
}

/**
 * Throws if the metadata declares more layers than the file has tensors. Call it before code that builds lists with an
 * entry per layer, since the metadata of a damaged file can declare billions of layers.
 */
function checkLayers({ metadata, tensors }: GgufHeader, label: string): void {
  const key = `${metadata.get("general.architecture")?.value}.block_count`;
  const layers = Number(metadata.get(key)?.value);
  if (layers > tensors.size)
    throw new Error(`${label}: ${key} is ${layers}, but the file has only ${tensors.size} tensors; it is damaged`);
}

/**
 * Returns the files that a Hugging Face folder of this model would have, except for the weights. The text of a file is
 * generated only when the file is read, since the JSON of a vocabulary can be large.
 */
function companionFiles(header: GgufHeader, configJson: object, hasTokenizer: boolean, label: string): ModelFiles {
  const tokenizer = () => ggufTokenizer(header, label);
  const texts = new Map([["config.json", () => JSON.stringify(configJson)]]);
  if (hasTokenizer) {
    texts.set("tokenizer.json", () => JSON.stringify(tokenizer()?.tokenizerJson));
    texts.set("tokenizer_config.json", () => JSON.stringify(tokenizer()?.tokenizerConfig, null, 2));
  }
  return memoryFiles(texts, label);
}

/**
 * Removes leading dimensions of size 1 from a shape, for comparing shapes, since GGUF files may omit them. The last
 * dimension is always kept.
 */
function withoutOnes(shape: readonly number[]): readonly number[] {
  return shape.slice(shape.findIndex((size) => size !== 1));
}

/**
 * Returns the entry of one tensor in the file, with its own shape, offset and size (in bytes). If GGUF stacks several
 * tensors in one, offset and size are for this tensor alone.
 */
function partOf(info: GgufTensorInfo, layout: TensorLayout): GgufTensorInfo {
  const shape = layout.transposed ? layout.shape.toReversed() : layout.shape;
  const { index, count } = layout.stacked ?? { index: 0, count: 1 };
  const byteLength = info.byteLength / count;
  return { ...info, shape, byteLength, offset: info.offset + index * byteLength };
}

async function placeTensors(
  { tensors }: GgufHeader,
  config: ModelConfig,
  label: string,
): Promise<ReadonlyMap<string, GgufTensorPlace>> {
  const idle = (await ggufFormOf(config)).idle?.(config) ?? [];
  const known = new Set([...notWeights, ...idle]);
  const left = new Set(tensors.keys());
  const places = new Map<string, GgufTensorPlace>();
  for (const layout of await tensorLayouts(config)) {
    const info = tensors.get(layout.gguf);
    if (!info) throw new Error(`${label}: the tensor "${layout.gguf}" is missing`);
    const shape = fileShape(layout);
    if (withoutOnes(info.shape).join() !== withoutOnes(shape).join()) {
      throw new Error(`${label}: "${layout.gguf}" is [${info.shape}]; its metadata require [${shape}]`);
    }
    left.delete(layout.gguf);
    places.set(layout.hf, { info: partOf(info, layout), layout });
  }
  const unexpected = [...left].filter((name) => !known.has(name));
  if (unexpected.length > 0) {
    throw new Error(
      `${label}: ${unexpected.length} tensors are not part of the ${config.modelType} model that its metadata describe: ${unexpected.slice(0, 5).join(", ")}`,
    );
  }
  return places;
}

/** Opens a GGUF file from a path, an address, a Blob or bytes. The returned `label` names it in error messages. */
export async function ggufSource(
  source: string | URL | Blob | ArrayBuffer | ArrayBufferView,
  options: OpenOptions,
): Promise<{ source: ByteSource; label: string }> {
  if (typeof source === "string" || source instanceof URL) {
    return { source: await openFile(source, options), label: String(source) };
  }
  return { source: byteSource(source), label: source instanceof File ? source.name : "the GGUF file" };
}

/**
 * Returns the config.json of the model in a GGUF file, with transformers' keys. Throws if the architecture or one of
 * its settings is not supported.
 */
export async function ggufConfig(
  { metadata, tensors }: GgufHeader,
  label: string,
  ropeFactors: GgufParts["ropeFactors"] = new Map(),
): Promise<Record<string, unknown>> {
  const values = Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value]));
  const fields = new JsonFields(values, label);
  const known = await formsOfAll();
  const name = fields.oneOf("general.architecture", [...new Set(known.map(({ form }) => form.architecture))]);
  const key = (part: string) => `${name}.${part}`;
  const embeddings = tensors.get("token_embd.weight");
  if (!embeddings) throw new Error(`${label}: the tensor "token_embd.weight" is missing`);
  const parts: GgufParts = { metadata: fields, key, tensors, ropeFactors };
  const { modelType, heads, form } = formIn(
    known.filter((one) => one.form.architecture === name),
    parts,
  );
  if (fields.raw(key("expert_count")) && !form.hasExperts) {
    throw fields.bad(key("expert_count"), `0: a ${modelType} has no experts here`);
  }
  return {
    architectures: [heads.causalLM?.className],
    model_type: modelType,
    ...form.readConfig(parts),
    vocab_size: embeddings.shape[0],
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: fields.tokenId("tokenizer.ggml.bos_token_id", null),
    eos_token_id: fields.tokenId("tokenizer.ggml.eos_token_id", null),
    pad_token_id: fields.tokenId("tokenizer.ggml.padding_token_id", null),
    torch_dtype: "float32",
  };
}

/** An architecture together with its conversion to and from GGUF. */
type Formed = Architecture & { readonly form: GgufForm<ModelConfig> };

async function formsOfAll(): Promise<Formed[]> {
  const all = await Promise.all(
    architectures().map(async (architecture) => ({ ...architecture, form: await architecture.gguf?.() })),
  );
  return all.filter((one): one is Formed => one.form !== undefined);
}

/**
 * Returns the architecture of a GGUF file. `sharing` are the architectures with the file's GGUF name. Returns the first
 * one whose function `claims` returns true for the file. If no function returns true, returns the architecture without
 * `claims`.
 */
function formIn(sharing: readonly Formed[], parts: GgufParts): Formed {
  const claiming = sharing.find(({ form }) => form.claims?.(parts));
  return (claiming ?? sharing.find(({ form }) => !form.claims)) as Formed;
}
