import { checkOptions, isPacked, type OnProgress, type Shape, yieldIfDue } from "@lowrank/core";
import type { HubOptions, ModelFiles } from "@lowrank/files";
import { Parameter, type QuantizationReport } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { GenerationConfig } from "../config/generationConfig.ts";
import { readGenerationConfig } from "../config/readGenerationConfig.ts";
import type { CausalLM } from "../model/causalLM.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { buildModel, type ModelOf } from "../registry/buildModel.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import type { Tokenizer, TokenizerParts } from "../tokenizer/tokenizer.ts";
import type { ModelWeights } from "./modelWeights.ts";
import { checkWeightDType, type ModelSource, openModel, type WeightOptions, weightKeys } from "./openModel.ts";

/** Options of `loadModel`. */
export interface LoadModelOptions extends WeightOptions {
  /**
   * "int8" multiplies `weights: "packed"` in integers, as llama.cpp does: a layer's input is
   * rounded to bytes, with a scale for each 32. Faster, less exact, and for running only:
   * nothing trains through it.
   */
  activations?: "int8";
  /** The token, the cache and more, for hf:// addresses. */
  hub?: HubOptions;
  /**
   * Called with the bytes read so far and in all, after each tensor. While a file is downloaded
   * from the Hugging Face hub, `name` is the file's, and the bytes are those that have come.
   */
  onProgress?: OnProgress;
  /**
   * Ends a download, or the loading after the running tensor: rejects with the signal's reason, and
   * frees all.
   */
  signal?: AbortSignal;
}

/** A model with what lies beside it in its folder. */
export interface LoadedModel {
  model: CausalLM;
  config: ModelConfig;
  /** Undefined where the folder has no tokenizer.json, or the GGUF file no tokenizer. */
  tokenizer: Tokenizer | undefined;
  /** The model's own, too: `generate` takes its defaults from there. */
  generationConfig: GenerationConfig | null;
  /** The folder; for a GGUF file, the files of its folder without the weights. */
  files: ModelFiles;
  /** The layers that were quantised while loading; null if none was. */
  quantization: QuantizationReport | null;
}

/**
 * Loads a model from a Hugging Face folder (a path or file: URL in Node, or an http(s) address),
 * from the Hugging Face hub (`hf://org/name@revision`) or from `ModelFiles`:
 * config.json, model.safetensors or its shards, tokenizer.json. Or from a GGUF file: its path
 * or address, which ends in .gguf, or a Blob or File. Throws where a tensor is missing,
 * unexpected or of another shape.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<LoadedModel> {
  checkOptions("loadModel", options, { ...weightKeys, activations: true, hub: true, onProgress: true, signal: true });
  checkWeightDType("loadModel", options.dtype);
  if (options.activations && options.weights !== "packed" && !options.quantize) {
    throw new Error(
      'activations "int8" multiplies packed weights; give weights: "packed" for a GGUF file, or quantize',
    );
  }
  const { config, files, weights, quantization, tokenizer: parts } = await openModel(source, options);
  const tokenizer = parts ? await makeTokenizer(parts) : await readTokenizer(files);
  const model = await readModel(config, weights, options);
  if (options.activations) {
    const { useInt8Activations } = await import("./quantization/integerActivations.ts");
    useInt8Activations(model);
  }
  const generationConfig = await readGenerationConfig(files);
  model.generationConfig = generationConfig;
  return { model, config, tokenizer, generationConfig, files, quantization };
}

export async function readTokenizer(files: ModelFiles): Promise<Tokenizer | undefined> {
  if (!(await files.has("tokenizer.json"))) return undefined;
  const { Tokenizer } = await import("../tokenizer/tokenizer.ts");
  return Tokenizer.fromFiles(files);
}

async function makeTokenizer(parts: TokenizerParts): Promise<Tokenizer> {
  const { Tokenizer } = await import("../tokenizer/tokenizer.ts");
  return Tokenizer.fromParts(parts);
}

/** Options of `readModel`. */
interface ReadModelOptions {
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** Makes a parameter that the file does not hold; null where it must. */
  fresh?: (...asked: Parameters<ParameterSource>) => Parameter | null;
}

/** Makes a model of its tensors. Throws where one is missing, unexpected or of another shape. */
export async function readModel<C extends ModelConfig | ClassifierConfig>(
  config: C,
  weights: ModelWeights,
  { fresh, ...options }: ReadModelOptions,
): Promise<ModelOf<C>> {
  const parameters = await readParameters(weights, options);
  const take = takeFrom(parameters, weights.label, await packedConv1D(config, parameters));
  const architecture = await loadArchitecture(config);
  const model: ModelOf<C> = buildModel(architecture, config, (name, shape, init) => {
    return (!parameters.has(name) && fresh?.(name, shape, init)) || take(name, shape, init);
  });
  model.eval();
  const unexpected = [...parameters.keys()];
  if (unexpected.length === 0) return model;
  throw new Error(
    `${weights.label}: ${unexpected.length} tensors have no place in a ${config.modelType} of this config.json: ${unexpected.slice(0, 5).join(", ")}`,
  );
}

/**
 * Reads the tensors one by one, so that only one is held as file bytes at a time. Where it throws,
 * none is left.
 */
async function readParameters(
  weights: ModelWeights,
  { onProgress, signal }: Omit<ReadModelOptions, "fresh">,
): Promise<Map<string, Parameter>> {
  const names = weights.names();
  const total = names.reduce((sum, name) => sum + weights.byteLength(name), 0);
  const parameters = new Map<string, Parameter>();
  let loaded = 0;
  try {
    for (const name of names) {
      await yieldIfDue(signal);
      using tensor = await weights.read(name);
      parameters.set(name, new Parameter(tensor));
      loaded += weights.byteLength(name);
      onProgress?.({ loaded, total, name });
    }
    await yieldIfDue(signal);
    return parameters;
  } catch (error) {
    for (const parameter of parameters.values()) parameter.dispose();
    throw error;
  }
}

/** Returns the names of weights that are kept as [in, out], if some of those read are packed. */
async function packedConv1D(
  config: ModelConfig | ClassifierConfig,
  parameters: ReadonlyMap<string, Parameter>,
): Promise<ReadonlySet<string>> {
  if (![...parameters.values()].some(({ dtype }) => isPacked(dtype))) return new Set();
  const { conv1dWeights } = await import("../registry/describeBuilt.ts");
  return conv1dWeights(config);
}

/** Hands out loaded parameters, each once; packed ones of a conv1d lie as [out, in]. */
function takeFrom(parameters: Map<string, Parameter>, label: string, conv1d: ReadonlySet<string>): ParameterSource {
  return (name: string, asked: Shape) => {
    const parameter = parameters.get(name);
    if (!parameter) {
      throw new Error(`${label}: the tensor "${name}" is missing; config.json and weights do not belong together`);
    }
    const shape = isPacked(parameter.dtype) && conv1d.has(name) ? [...asked].reverse() : asked;
    if (parameter.shape.join() !== shape.join()) {
      throw new Error(`${label}: "${name}" is [${parameter.shape}]; config.json asks for [${shape}]`);
    }
    parameters.delete(name);
    return parameter;
  };
}
