import { OptionError } from "@lowrank/core";
import { checkDType, type OptionKeys } from "@lowrank/core/internal";
import { type ModelFiles, type OpenOptions, openFiles } from "@lowrank/files";
import type { QuantizationReport, QuantizeOptions } from "@lowrank/nn";
import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ClassifierHead } from "../config/classifierHead.ts";
import { readClassifierConfig, readModelConfig } from "../registry/configs/readModelConfig.ts";
import type { TokenizerParts } from "../tokenizer/tokenizer.ts";
import { type ModelWeights, safetensorsWeights } from "./modelWeights.ts";
import { openWeights } from "./openWeights.ts";
import { isPartOfQuantized, readQuantizationConfig } from "./quantization/readQuantizationConfig.ts";

/**
 * The source of a model: a Hugging Face folder (a path or file: URL in Node, or an http(s) address) or its
 * `ModelFiles`; a repository of the Hugging Face hub, `hf://org/name@revision`; a GGUF file by a path, file: URL,
 * http(s) or hf:// address that ends in .gguf, or as a Blob, a File or bytes.
 */
export type ModelSource = string | URL | Blob | ArrayBuffer | ArrayBufferView | ModelFiles;

/** Options for how weights are kept in memory. */
export interface WeightOptions {
  /**
   * The dtype of the weights in memory; "auto" keeps each tensor's dtype. Default f32, which is also the dtype of
   * computations.
   */
  dtype?: "f32" | "f16" | "bf16" | "auto";
  /**
   * Quantises the weights of linear layers to 4 bits as they are read, so that the unquantised model is never in
   * memory.
   */
  quantize?: QuantizeOptions;
  /**
   * "packed" keeps quantised GGUF blocks in memory, for types that have a packed dtype. This saves memory and does not
   * change results. If `quantize` is set too, "packed" applies to the weights that `quantize` skips, such as the
   * embedding. Default: GGUF blocks are converted to `dtype`.
   */
  weights?: "packed";
}

/** The names of the options in `WeightOptions`. */
export const weightKeys: OptionKeys<WeightOptions> = { dtype: true, quantize: true, weights: true };

/** Throws if `dtype` is not a dtype for weights in memory. `what` names the calling function. */
export function checkWeightDType(what: string, dtype: WeightOptions["dtype"] = "f32"): void {
  if (dtype === "auto") return;
  checkDType(what, dtype);
  if (!["f32", "f16", "bf16"].includes(dtype)) {
    throw new Error(`${what}: dtype is "${dtype}"; give "f32", "f16", "bf16" or "auto", or use the option quantize`);
  }
}

/** A model whose config has been read, but not its tensors. */
export interface OpenedModel<C = ModelConfig> {
  readonly config: C;
  readonly files: ModelFiles;
  readonly weights: ModelWeights;
  /** The tokenizer in a GGUF file. Undefined for other models, whose tokenizer is in `files`. */
  readonly tokenizer?: TokenizerParts;
  /** The layers that have been quantised; filled while weights are read. Null without the option `quantize`. */
  readonly quantization: QuantizationReport | null;
}

/**
 * Reads a model's config and, for a GGUF file, its tokenizer. Also opens the file of the weights; each weight is read
 * later, on request.
 */
export async function openModel(source: ModelSource, options: WeightOptions & OpenOptions): Promise<OpenedModel> {
  const opened = await openPlain(source, options);
  if (!options.quantize) return { ...opened, quantization: null };
  const { quantizedWeights } = await import("./quantization/quantizedWeights.ts");
  const { weights, report } = await quantizedWeights(opened.weights, opened.config, options.quantize);
  return { ...opened, weights, quantization: report };
}

/**
 * Reads a classifier's config from a folder and opens the file of the weights. Each weight is read later, on request.
 * The fields of `head` override the config's fields.
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

/** Opens a model without quantising it. When weights are read, they are converted to `dtype`. */
async function openPlain(
  source: ModelSource,
  options: WeightOptions & OpenOptions,
): Promise<Omit<OpenedModel, "quantization">> {
  const { dtype = "f32", weights, hub, onProgress, signal } = options;
  const opening = { hub, onProgress, signal };
  const packed = weights === "packed";
  if (isGguf(source)) {
    const [{ ggufSource, openGguf }, { ggufWeights }] = await Promise.all([
      import("./gguf/openGguf.ts"),
      import("./gguf/ggufWeights.ts"),
    ]);
    const file = await ggufSource(source, opening);
    const opened = await openGguf(file.source, file.label);
    const { config, files, tokenizer: parts } = opened;
    const tokenizer = parts && { ...parts, chatTemplate: parts.tokenizerConfig.chat_template, label: file.label };
    return { config, files, tokenizer, weights: ggufWeights(opened, { dtype, packed }) };
  }
  const files = await openFiles(source, opening);
  if (packed) {
    throw new OptionError("", "weights", "packed", (named) => {
      return `${files.label}: ${named("weights", "packed")} needs a GGUF file, and this is not one; leave it out`;
    });
  }
  const config = await readModelConfig(files);
  return { config, files, weights: await folderWeights(files, config, dtype) };
}

/** Returns the tensors of a folder. Weights that bitsandbytes quantised are returned as packed tensors. */
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
