import { isPacked, type OnProgress, OptionError, type Shape, yieldIfDue } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { HubOptions, ModelFiles } from "@lowrank/files";
import { Parameter, type QuantizationReport } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { GenerationConfig } from "../config/generationConfig.ts";
import { readGenerationConfig } from "../config/readGenerationConfig.ts";
import type { CausalLM } from "../model/causalLM.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { buildModel, type ModelOf } from "../registry/build/buildModel.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import type { Tokenizer, TokenizerParts } from "../tokenizer/tokenizer.ts";
import type { ModelWeights } from "./modelWeights.ts";
import { checkWeightDType, type ModelSource, openModel, type WeightOptions, weightKeys } from "./openModel.ts";

/** Options of `loadModel`. */
export interface LoadModelOptions extends WeightOptions {
  /**
   * "int8" rounds the inputs of layers with packed weights to int8, with one scale per 32 elements, and multiplies
   * integers, as llama.cpp does. This is faster and less exact. It is for inference only, since no gradients flow
   * through these layers. Requires `weights: "packed"` or `quantize`. Default: inputs stay f32.
   */
  activations?: "int8";
  /** Settings for hf:// addresses, such as the access token and the cache. */
  hub?: HubOptions;
  /**
   * Progress callback. During a download from the Hugging Face hub, it receives the file's `name` and its downloaded
   * and total bytes. While tensors are read, it is called after each tensor: `loaded` and `total` then count the bytes
   * of all the model's tensors.
   */
  onProgress?: OnProgress;
  /**
   * Aborts a download, or stops loading after the current tensor. The promise rejects with the signal's reason, and all
   * memory is freed.
   */
  signal?: AbortSignal;
}

/** A loaded model, with the tokenizer and the other files of its folder. */
export interface LoadedModel {
  model: CausalLM;
  config: ModelConfig;
  /** Undefined if the folder has no tokenizer.json, or the GGUF file no tokenizer. */
  tokenizer: Tokenizer | undefined;
  /**
   * The settings of generation_config.json; null if the file is missing. They are also stored in
   * `model.generationConfig`, from which `generate` takes its defaults.
   */
  generationConfig: GenerationConfig | null;
  /**
   * The files of the folder. For a GGUF file: the files that a folder of the model would have, except for the weights.
   */
  files: ModelFiles;
  /** The layers that were quantised while loading; null without the option `quantize`. */
  quantization: QuantizationReport | null;
}

/**
 * Loads a language model in evaluation mode. The source is a Hugging Face folder (a path or file: URL in Node, or an
 * http(s) address), the Hugging Face hub (`hf://org/name@revision`), or `ModelFiles`. These contain config.json,
 * model.safetensors or its shards, and tokenizer.json. The source can also be a GGUF file: a path or address that ends
 * in .gguf, a Blob or a File. Throws if a tensor is missing, unexpected or has the wrong shape.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<LoadedModel> {
  checkOptions("loadModel", options, { ...weightKeys, activations: true, hub: true, onProgress: true, signal: true });
  checkWeightDType("loadModel", options.dtype);
  if (options.activations && options.weights !== "packed" && !options.quantize) {
    throw new OptionError("", "activations", options.activations, (named) => {
      const [activations, weights] = [named("activations", "int8"), named("weights", "packed")];
      return `${activations} multiplies packed weights; give ${weights} for a GGUF file, or quantize`;
    });
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
  /**
   * Makes a parameter that the file lacks, such as a new head's weight. Returns null if the file must contain the
   * parameter; loading then throws. Default: the file must contain every parameter.
   */
  fresh?: (...asked: Parameters<ParameterSource>) => Parameter | null;
}

/**
 * Builds a model in evaluation mode from its tensors. Throws if a tensor is missing, unexpected or has the wrong shape.
 */
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
    `${weights.label}: ${unexpected.length} tensors are not part of the ${config.modelType} model that config.json describes: ${unexpected.slice(0, 5).join(", ")}; use the config.json of these weights`,
  );
}

/**
 * Reads all tensors, one after the other. At most one tensor is in memory twice: as bytes of the file and as a
 * converted tensor. If reading fails, disposes of all tensors read so far.
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

/**
 * Returns the names of Conv1D weights if any parameter is packed, otherwise an empty set. The names are needed only for
 * packed weights, whose shape is [out, in] instead of Conv1D's [in, out]. The code that finds the names is loaded only
 * if it is needed.
 */
async function packedConv1D(
  config: ModelConfig | ClassifierConfig,
  parameters: ReadonlyMap<string, Parameter>,
): Promise<ReadonlySet<string>> {
  if (![...parameters.values()].some(({ dtype }) => isPacked(dtype))) return new Set();
  const { conv1dWeights } = await import("../registry/build/describeBuilt.ts");
  return conv1dWeights(config);
}

/**
 * Returns the function that provides the parameters while the model is built. It checks the shape of each loaded
 * parameter and removes the parameter from `parameters`. Packed Conv1D weights must have the shape [out, in].
 */
function takeFrom(parameters: Map<string, Parameter>, label: string, conv1d: ReadonlySet<string>): ParameterSource {
  return (name: string, asked: Shape) => {
    const parameter = parameters.get(name);
    if (!parameter) {
      throw new Error(`${label}: the tensor "${name}" is missing; use the config.json of these weights`);
    }
    const shape = isPacked(parameter.dtype) && conv1d.has(name) ? [...asked].reverse() : asked;
    if (parameter.shape.join() !== shape.join()) {
      throw new Error(`${label}: "${name}" is [${parameter.shape}]; config.json requires [${shape}]`);
    }
    parameters.delete(name);
    return parameter;
  };
}
