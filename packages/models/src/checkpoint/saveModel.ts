import {
  isPacked,
  type SafetensorsTensor,
  scope,
  type Tensor,
  to,
  toBitsandbytes,
  writeSafetensors,
  yieldIfDue,
} from "@lowrank/core";
import { canQuantizeAs, checkDType, checkOptions } from "@lowrank/core/internal";
import type { ModelFiles, WritablePlace } from "@lowrank/files";
import { writeFiles } from "@lowrank/files/internal";
import { Conv1D, type Module } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { Architecture } from "../model/architecture.ts";
import type { CausalLM } from "../model/causalLM.ts";
import type { SequenceClassifier } from "../model/sequenceClassifier.ts";
import type { TokenClassifier } from "../model/tokenClassifier.ts";
import { conv1dWeights } from "../registry/build/describeBuilt.ts";
import { configText, hfConfig } from "../registry/configs/hfConfig.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import { quantizationConfigToHf, quantizationOf } from "./quantization/quantizationConfig.ts";

/** Options of `saveModel`. */
export interface SaveModelOptions {
  /**
   * The dtype of the weights on disk, to which quantised weights are converted too. Default: each parameter's dtype in
   * memory, and bitsandbytes' format for 4-bit weights.
   */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * Maximum size of one file's tensors in bytes. Larger models are written as shards with an index, as in transformers.
   * Default 5e9.
   */
  maxShardSize?: number;
  /** The folder from which tokenizer files and generation_config.json are copied unchanged. */
  companions?: ModelFiles;
}

const companionNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "generation_config.json",
];

/** Names of dtypes in config.json. */
export const torchNames = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

/**
 * Returns the files of a Hugging Face folder for `model`: config.json, model.safetensors or shards, and the tokenizer
 * from `companions`. A tied output layer is stored once, as the embedding. If the output layer of a tied model has its
 * own weight, the model is saved as untied. 4-bit weights are stored in the format of bitsandbytes and transformers,
 * with a `quantization_config`.
 */
export async function modelFileContents(
  model: CausalLM | SequenceClassifier | TokenClassifier,
  config: ModelConfig | ClassifierConfig,
  options: SaveModelOptions = {},
): Promise<Map<string, Uint8Array | string>> {
  checkOptions("saveModel", options, { dtype: true, maxShardSize: true, companions: true });
  const { maxShardSize = 5e9 } = options;
  if (!(maxShardSize >= 1)) {
    throw new Error(`saveModel: maxShardSize is ${maxShardSize}; it is a number of bytes, 1 or more`);
  }
  if (options.dtype) checkDType("saveModel", options.dtype);
  const tensors: SafetensorsTensor[][] = [];
  const parameters = new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()]);
  const wide = wideDType(parameters.values());
  const conv1d = await conv1dWeights(config);
  for (const [name, parameter] of parameters) {
    await yieldIfDue();
    if (options.dtype === undefined && canQuantizeAs(parameter.dtype)) {
      tensors.push(await toBitsandbytes(parameter, name, { dtype: wide }));
      continue;
    }
    const turned = conv1d.has(name) && !(ownerOf(model, name) instanceof Conv1D);
    using stored = storedTensor(name, parameter, turned, options.dtype);
    tensors.push([{ name, dtype: stored.dtype, shape: stored.shape, bytes: await stored.bytes() }]);
  }
  const quantization = options.dtype === undefined ? await quantizationOf(model, config) : null;
  const architecture = await loadArchitecture(config);
  const json = {
    ...hfConfig(architecture, asTied(architecture, config, parameters), {
      dtype: torchNames[options.dtype ?? wide],
    }),
    ...(quantization && { quantization_config: quantizationConfigToHf(quantization) }),
  };
  const contents = new Map<string, Uint8Array | string>([
    ["config.json", configText(json)],
    ...weightFiles(tensors, maxShardSize),
  ]);
  const { companions } = options;
  for (const name of companionNames) {
    if (companions && (await companions.has(name))) contents.set(name, await companions.readText(name));
  }
  return contents;
}

/**
 * Returns the config. Sets `tieWordEmbeddings` to false if the output layer has its own weight, for example because an
 * adapter was merged into it.
 */
function asTied<C extends ModelConfig | ClassifierConfig>(
  { heads }: Architecture,
  config: C,
  parameters: ReadonlyMap<string, Tensor>,
): C {
  if (!("tieWordEmbeddings" in config) || !parameters.has(`${heads.causalLM?.module}.weight`)) return config;
  return { ...config, tieWordEmbeddings: false };
}

/**
 * Returns the dtype of a model's first unquantised parameter; "f32" if there is none. A saved model records it as the
 * dtype to which transformers dequantises weights.
 */
function wideDType(parameters: Iterable<Tensor>): keyof typeof torchNames {
  for (const { dtype } of parameters) if (dtype in torchNames) return dtype as keyof typeof torchNames;
  return "f32";
}

function ownerOf(model: Module, name: string): Module {
  return model.getSubmodule(name.slice(0, name.lastIndexOf(".")));
}

/**
 * Converts a parameter to the dtype and layout in which it is written. If `turned` is true, transposes a Conv1D weight
 * from [out, in] in memory to [in, out].
 */
function storedTensor(name: string, parameter: Tensor, turned: boolean, dtype: SaveModelOptions["dtype"]): Tensor {
  if (dtype === undefined && isPacked(parameter.dtype)) {
    throw new Error(`${name} is ${parameter.dtype}, which safetensors cannot hold; give a dtype: f32, f16 or bf16`);
  }
  return scope(() => {
    const wanted = dtype ?? parameter.dtype;
    const tensor = parameter.dtype === wanted ? parameter.detach() : to(parameter.detach(), { dtype: wanted });
    return turned ? tensor.transpose(0, 1) : tensor;
  });
}

/**
 * Writes a model as a Hugging Face folder that transformers, vLLM and `loadModel` can read. `folder` is a path in Node,
 * or `WritableFiles`.
 */
export async function saveModel(
  model: CausalLM | SequenceClassifier | TokenClassifier,
  config: ModelConfig | ClassifierConfig,
  folder: WritablePlace,
  options: SaveModelOptions = {},
): Promise<void> {
  await writeFiles(folder, await modelFileContents(model, config, options));
}

const single = "model.safetensors";

/**
 * Returns the files that store a model's tensors. They are one file, or several shards of at most `most` bytes with an
 * index, split as in transformers. All tensors of one quantised parameter are in the same shard. A parameter larger
 * than `most` bytes gets its own shard.
 */
export function weightFiles(
  parameters: readonly (readonly SafetensorsTensor[])[],
  most: number,
): [name: string, content: Uint8Array | string][] {
  const shards: SafetensorsTensor[][] = [];
  let room = Number.NEGATIVE_INFINITY;
  for (const tensors of parameters) {
    const size = bytesOf(tensors);
    if (size > room) {
      shards.push([]);
      room = most;
    }
    shards[shards.length - 1].push(...tensors);
    room -= size;
  }
  if (shards.length < 2) return [[single, writeSafetensors(shards.flat(), { format: "pt" })]];
  const digits = (number: number) => String(number).padStart(5, "0");
  const nameOf = (shard: number) => `model-${digits(shard + 1)}-of-${digits(shards.length)}.safetensors`;
  const places = shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, nameOf(i)] as const));
  const index = {
    metadata: { total_size: bytesOf(shards.flat()) },
    weight_map: Object.fromEntries(places.sort()),
  };
  return [
    ...shards.map((tensors, i): [string, Uint8Array] => [nameOf(i), writeSafetensors(tensors, { format: "pt" })]),
    [`${single}.index.json`, `${JSON.stringify(index, null, 2)}\n`],
  ];
}

const bytesOf = (tensors: readonly SafetensorsTensor[]): number =>
  tensors.reduce((sum, { bytes }) => sum + bytes.length, 0);
