import type { Backend } from "@lowrank/core";
import { openFiles } from "@lowrank/files";
import {
  type CausalLM,
  type LoadedEncoder,
  type LoadedModel,
  type QuantizationConfig,
  readQuantizationConfig,
  type Tokenizer,
} from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { PeftModel, type Warning } from "@lowrank/peft";
import { loadEncoder, loadModel } from "../../load/loadModel.ts";
import type { LoadedWeights } from "../argument.ts";
import { type BackendSettings, startBackend } from "./backends.ts";
import { loadingProgress } from "./loadingProgress.ts";

/** Options for loading and running an encoder. */
interface EncoderLoading extends BackendSettings {
  /** Name of the backend, as in `--backend`. */
  backend?: string;
  dtype?: Exclude<LoadedWeights, "packed">;
}

/** Options for loading and running a model. */
interface LoadingOptions extends BackendSettings {
  /** Name of the backend, as in `--backend`. */
  backend?: string;
  quantize?: QuantizeOptions;
  weights?: LoadedWeights;
  activations?: "int8";
  /** Hides progress, which is otherwise shown on a terminal. Default false. */
  silent?: boolean;
}

/**
 * Loads a model from a folder or GGUF file, on disk or on the hub, and starts the backend that the options name. Throws
 * if the model has no tokenizer.
 */
export async function loadWithTokenizer(
  path: string,
  options: LoadingOptions = {},
): Promise<LoadedModel & { tokenizer: Tokenizer; backend: Backend }> {
  const backend = await startBackend(options.backend, options);
  const { quantize, weights = "f32", activations } = options;
  const stored = weights === "packed" ? { weights } : { dtype: weights };
  const { onProgress, end } = options.silent ? { end: () => {} } : loadingProgress(process.stderr);
  const loaded = await loadModel(path, { quantize, activations, ...stored, onProgress }).finally(end);
  const { tokenizer } = loaded;
  if (tokenizer) return { ...loaded, tokenizer, backend };
  throw withoutTokenizer(path);
}

/**
 * Loads an encoder from a folder on disk or on the hub, without the head that its checkpoint may have. Throws if the
 * folder has no tokenizer.
 */
export async function loadEncoderWithTokenizer(
  path: string,
  { dtype, backend: name, ...settings }: EncoderLoading,
): Promise<LoadedEncoder & { tokenizer: Tokenizer; backend: Backend }> {
  const backend = await startBackend(name, settings);
  const { onProgress, end } = loadingProgress(process.stderr);
  const loaded = await loadEncoder(path, { dtype, onProgress }).finally(end);
  const { tokenizer } = loaded;
  if (tokenizer) return { ...loaded, tokenizer, backend };
  throw withoutTokenizer(path);
}

/** Returns the error for a model without a tokenizer. */
export function withoutTokenizer(path: string): Error {
  return new Error(
    isGguf(path)
      ? `${path} has no tokenizer; convert the model again, from a folder that has one`
      : `${path} has no tokenizer.json; copy it from the original model, next to config.json`,
  );
}

/** Returns the quantisation config of a model's folder; null for unquantised weights and for a GGUF file. */
export async function storedQuantization(folder: string): Promise<QuantizationConfig | null> {
  if (isGguf(folder)) return null;
  const files = await openFiles(folder);
  return (await files.has("config.json")) ? readQuantizationConfig(files) : null;
}

/** Loads the adapter of a PEFT folder, on disk or on the hub, into `model` and activates it. */
export async function useAdapter(model: CausalLM, folder: string): Promise<PeftModel<CausalLM>> {
  const { onProgress, end } = loadingProgress(process.stderr);
  return PeftModel.fromPretrained(model, folder, { onWarning: warn, onProgress }).finally(end);
}

/** Returns true if a path ends in `.gguf`, in upper or lower case. */
export function isGguf(path: string): boolean {
  return path.toLowerCase().endsWith(".gguf");
}

/** Prints a warning on stderr. */
export function warn({ message }: Warning): void {
  console.error(`warning: ${message}`);
}
