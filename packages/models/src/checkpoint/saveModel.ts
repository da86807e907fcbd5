import {
  canQuantizeAs,
  checkDType,
  checkOptions,
  isPacked,
  type SafetensorsTensor,
  scope,
  type Tensor,
  to,
  toBitsandbytes,
  yieldIfDue,
} from "@lowrank/core";
import { type ModelFiles, type WritablePlace, writeFiles } from "@lowrank/files";
import { Conv1D, type Module } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import { configText } from "../config/configText.ts";
import type { Architecture } from "../model/architecture.ts";
import type { CausalLM } from "../model/causalLM.ts";
import type { SequenceClassifier } from "../model/sequenceClassifier.ts";
import type { TokenClassifier } from "../model/tokenClassifier.ts";
import { conv1dWeights } from "../registry/describeBuilt.ts";
import { hfConfig } from "../registry/hfConfig.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import { quantizationConfigToHf, quantizationOf } from "./quantization/quantizationConfig.ts";
import { weightFiles } from "./weightFiles.ts";

/** Options of `saveModel`. */
export interface SaveModelOptions {
  /**
   * The dtype of the weights on disk; quantised ones are widened to it. Default: that of each
   * parameter in memory, and for weights in 4 bits what bitsandbytes writes.
   */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * The most bytes of tensors in one file; a larger model is written in shards with an index, as
   * transformers does. Default 5e9.
   */
  maxShardSize?: number;
  /** The folder whose tokenizer and generation files are copied, unchanged. */
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
 * The files of a Hugging Face folder that holds `model`: config.json, model.safetensors or shards
 * and, from `companions`, its tokenizer. A tied output layer is written once, as the embedding; one
 * that has been given a weight of its own, as an untied one. Weights in 4 bits are written as
 * bitsandbytes and transformers write them, with a `quantization_config`.
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
 * The config of a model whose output layer may have got a weight of its own, as merging
 * an adapter on it gives it.
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
 * The dtype that a model's first full parameter has, which transformers gives
 * the widened weights too.
 */
function wideDType(parameters: Iterable<Tensor>): keyof typeof torchNames {
  for (const { dtype } of parameters) if (dtype in torchNames) return dtype as keyof typeof torchNames;
  return "f32";
}

function ownerOf(model: Module, name: string): Module {
  return model.getSubmodule(name.slice(0, Math.max(name.lastIndexOf("."), 0)));
}

/**
 * Returns a parameter as it is to be written; a conv1d's weight that lies as
 * [out, in] is transposed.
 */
function storedTensor(name: string, parameter: Tensor, turned: boolean, dtype: SaveModelOptions["dtype"]): Tensor {
  if (dtype === undefined && isPacked(parameter.dtype)) {
    throw new Error(`${name} is ${parameter.dtype}, which has no place in safetensors; give a dtype: f32, f16 or bf16`);
  }
  return scope(() => {
    const wanted = dtype ?? parameter.dtype;
    const tensor = parameter.dtype === wanted ? parameter.detach() : to(parameter.detach(), { dtype: wanted });
    return turned ? tensor.transpose(0, 1) : tensor;
  });
}

/**
 * Writes a model as a Hugging Face folder that transformers, vLLM and `loadModel` read, by its path
 * in Node or as `WritableFiles`.
 */
export async function saveModel(
  model: CausalLM | SequenceClassifier | TokenClassifier,
  config: ModelConfig | ClassifierConfig,
  folder: WritablePlace,
  options: SaveModelOptions = {},
): Promise<void> {
  await writeFiles(folder, await modelFileContents(model, config, options));
}
