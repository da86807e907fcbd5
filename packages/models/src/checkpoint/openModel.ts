import { checkDType, type OptionKeys } from "@lowrank/core/internal";
import { type ModelFiles, type OpenOptions, openFiles } from "@lowrank/files";
import type { QuantizationReport, QuantizeOptions } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead } from "../config/classifierHead.ts";
import { readClassifierConfig, readModelConfig } from "../registry/readModelConfig.ts";
import type { TokenizerParts } from "../tokenizer/tokenizer.ts";
import { type ModelWeights, safetensorsWeights } from "./modelWeights.ts";
import { openWeights } from "./openWeights.ts";
import { isPartOfQuantized } from "./quantization/partOfQuantized.ts";
import { readQuantizationConfig } from "./quantization/readQuantizationConfig.ts";

/**
 * The source of a model: a Hugging Face folder (a path or file: URL in Node, or an http(s) address) or its
 * `ModelFiles`; a repository of the Hugging Face hub, `hf://org/name@revision`; a GGUF file by a path, file: URL,
 * http(s) or hf:// address that ends in .gguf, or as a Blob, a File or bytes.
 */
export type ModelSource = string | URL | Blob | ArrayBuffer | ArrayBufferView | ModelFiles;

/** Options for the weights in memory. */
export interface WeightOptions {
  /**
   * The dtype of the weights in memory; "auto" keeps each tensor's dtype. Default f32, which is also the dtype of
   * computations.
   */
  dtype?: "f32" | "f16" | "bf16" | "auto";
  /** Quantises linear layers to 4 bits while their weights are read, so the full model is never in memory. */
  quantize?: QuantizeOptions;
  /**
   * "packed" keeps GGUF blocks quantised in memory if core has a packed dtype for their type. This saves memory and
   * does not change the values. With `quantize`, it applies to weights that are not quantised, such as the embedding.
   */
  weights?: "packed";
}

/** The names of the options in `WeightOptions`. */
export const weightKeys: OptionKeys<WeightOptions> = { dtype: true, quantize: true, weights: true };

/** Throws if weights in memory cannot have this dtype. */
export function checkWeightDType(what: string, dtype: WeightOptions["dtype"] = "f32"): void {
  if (dtype === "auto") return;
  checkDType(what, dtype);
  if (!["f32", "f16", "bf16"].includes(dtype)) {
    throw new Error(`${what}: dtype is "${dtype}"; weights are "f32", "f16", "bf16" or "auto", or take quantize`);
  }
}

/** A model whose tensors have not been read yet. */
export interface OpenedModel<C = ModelConfig> {
  readonly config: C;
  readonly files: ModelFiles;
  readonly weights: ModelWeights;
  /** Tokenizer from a GGUF file. Undefined if `files` is the only place to look for a tokenizer. */
  readonly tokenizer?: TokenizerParts;
  /** Filled while weights are quantised; null if they are not quantised. */
  readonly quantization: QuantizationReport | null;
}

/** Reads a model's config and tokenizer, and locates its weights without reading them. */
export async function openModel(source: ModelSource, options: WeightOptions & OpenOptions): Promise<OpenedModel> {
  const opened = await openPlain(source, options);
  if (!options.quantize) return { ...opened, quantization: null };
  const { quantizedWeights } = await import("./quantization/quantizedWeights.ts");
  const { weights, report } = await quantizedWeights(opened.weights, opened.config, options.quantize);
  return { ...opened, weights, quantization: report };
}

/**
 * Reads the config of a classifier from a folder and locates its weights. The fields of `head` override the config's.
 */
export async function openClassifier<Head extends Partial<ClassifierHead>>(
  source: string | URL | ModelFiles,
  { dtype = "f32", quantize, hub, onProgress, signal }: Omit<WeightOptions, "weights"> & OpenOptions,
  head: Head,
): Promise<OpenedModel<ClassifierConfig & Head>> {
  const files = await openFiles(source, { hub, onProgress, signal });
  const config = { ...(await readClassifierConfig(files)), ...head };
  const weights = await folderWeights(files, config, dtype);
  if (!quantize) return { config, files, weights, quantization: null };
  const { quantizedWeights } = await import("./quantization/quantizedWeights.ts");
  const { report, ...quantized } = await quantizedWeights(weights, config, quantize);
  return { config, files, ...quantized, quantization: report };
}

/** Opens a model without quantising it. Weights are converted to `dtype` only. */
async function openPlain(
  source: ModelSource,
  options: WeightOptions & OpenOptions,
): Promise<Omit<OpenedModel, "quantization">> {
  const { dtype = "f32", weights, hub, onProgress, signal } = options;
  const opening = { hub, onProgress, signal };
  const packed = weights === "packed";
  if (isGguf(source)) {
    const [{ openGguf }, { ggufWeights }, { ggufSource }] = await Promise.all([
      import("./gguf/openGguf.ts"),
      import("./gguf/ggufWeights.ts"),
      import("./gguf/ggufSource.ts"),
    ]);
    const file = await ggufSource(source, opening);
    const opened = await openGguf(file.source, file.label);
    const { config, files, tokenizer: parts } = opened;
    const tokenizer = parts && { ...parts, chatTemplate: parts.tokenizerConfig.chat_template, label: file.label };
    return { config, files, tokenizer, weights: ggufWeights(opened, { dtype, packed }) };
  }
  const files = await openFiles(source, opening);
  if (packed) throw new Error(`${files.label}: weights "packed" is for GGUF files; its weights are not in such blocks`);
  const config = await readModelConfig(files);
  return { config, files, weights: await folderWeights(files, config, dtype) };
}

/** Returns the tensors of a folder. Weights quantised by bitsandbytes are packed tensors. */
async function folderWeights(
  files: ModelFiles,
  config: ModelConfig | ClassifierConfig,
  dtype: NonNullable<WeightOptions["dtype"]>,
): Promise<ModelWeights> {
  const quantization = await readQuantizationConfig(files);
  const file = await openWeights(files, config);
  if (quantization === null && !file.names().some(isPartOfQuantized)) return safetensorsWeights(file, dtype);
  const { bitsandbytesWeights } = await import("./quantization/bitsandbytesWeights.ts");
  return bitsandbytesWeights(file, dtype, quantization);
}

/** Returns true for a GGUF file: a path or address that ends in .gguf, a Blob, or bytes. */
function isGguf(source: ModelSource): source is Exclude<ModelSource, ModelFiles> {
  if (source instanceof Blob || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return true;
  if (!(typeof source === "string" || source instanceof URL)) return false;
  const path = /^[a-z]+:\/\//i.test(String(source)) ? new URL(source).pathname : String(source);
  return path.toLowerCase().endsWith(".gguf");
}
