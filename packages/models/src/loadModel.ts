import { type DType, fromBytes, type SafetensorsFile, type Shape, to } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import { folderFiles } from "@lowrank/files";
import { Parameter } from "@lowrank/nn";
import type { CausalLM } from "./causalLM.ts";
import { type GenerationConfig, readGenerationConfig } from "./config/generationConfig.ts";
import { type ModelConfig, readModelConfig } from "./config/modelConfig.ts";
import { createModel } from "./createModel.ts";
import { isDerived, openWeights } from "./openWeights.ts";
import type { ParameterSource } from "./parameters.ts";
import { Tokenizer } from "./tokenizer/tokenizer.ts";

/** Options of `loadModel`. */
export interface LoadModelOptions {
  /** The dtype the weights take in memory; "auto" keeps the file's. Default f32, in which arithmetic is done. */
  dtype?: "f32" | "f16" | "bf16" | "auto";
  /** Called as tensors arrive, with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

/** A model with what lies beside it in its folder. */
export interface LoadedModel {
  model: CausalLM;
  config: ModelConfig;
  /** Undefined where the folder has no tokenizer.json. */
  tokenizer: Tokenizer | undefined;
  generationConfig: GenerationConfig | null;
  files: ModelFiles;
}

/**
 * Loads a model from a Hugging Face folder (a path or file: URL in Node) or from `ModelFiles`: config.json,
 * model.safetensors or its shards, tokenizer.json. Throws where a tensor is missing, unexpected or of another shape.
 */
export async function loadModel(
  source: string | URL | ModelFiles,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  const files = typeof source === "string" || source instanceof URL ? await folderFiles(source) : source;
  const config = await readModelConfig(files);
  const weights = await openWeights(files);
  const parameters = await readParameters(weights, config, options);
  const model = createModel(config, takeFrom(parameters, weights.label)).eval();
  const unexpected = [...parameters.keys()];
  if (unexpected.length > 0) {
    throw new Error(
      `${weights.label}: ${unexpected.length} tensors have no place in a ${config.modelType} of this config.json: ${unexpected.slice(0, 5).join(", ")}`,
    );
  }
  const tokenizer = (await files.has("tokenizer.json")) ? await Tokenizer.fromFiles(files) : undefined;
  return { model, config, tokenizer, generationConfig: await readGenerationConfig(files), files };
}

/** Reads the tensors one by one, so that only one is held as file bytes at a time. */
async function readParameters(
  weights: SafetensorsFile,
  config: ModelConfig,
  { dtype = "f32", onProgress }: LoadModelOptions,
): Promise<Map<string, Parameter>> {
  const names = weights.names().filter((name) => !isDerived(name, config));
  const total = names.reduce((sum, name) => sum + weights.info(name).byteLength, 0);
  const parameters = new Map<string, Parameter>();
  let loaded = 0;
  for (const name of names) {
    const { bytes, shape, dtype: stored } = await weights.read(name);
    using raw = fromBytes(bytes, shape, stored);
    const wanted: DType = dtype === "auto" || stored === "i32" || stored === "u8" ? stored : dtype;
    if (wanted === stored) {
      parameters.set(name, new Parameter(raw));
    } else {
      using cast = to(raw, { dtype: wanted });
      parameters.set(name, new Parameter(cast));
    }
    loaded += bytes.length;
    onProgress?.(loaded, total);
  }
  return parameters;
}

/** Hands out loaded parameters, each once. */
function takeFrom(parameters: Map<string, Parameter>, label: string): ParameterSource {
  return (name: string, shape: Shape) => {
    const parameter = parameters.get(name);
    if (!parameter) {
      throw new Error(`${label}: the tensor "${name}" is missing; config.json and weights do not belong together`);
    }
    if (parameter.shape.join() !== shape.join()) {
      throw new Error(`${label}: "${name}" is [${parameter.shape}]; config.json asks for [${shape}]`);
    }
    parameters.delete(name);
    return parameter;
  };
}
