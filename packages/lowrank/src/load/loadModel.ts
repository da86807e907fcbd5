import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import {
  type LoadClassifierOptions,
  type LoadedClassifier,
  type LoadedEncoder,
  type LoadedModel,
  type LoadedTokenClassifier,
  type LoadModelOptions,
  loadEncoder as loadEncoderOnBackend,
  loadModel as loadModelOnBackend,
  loadSequenceClassifier as loadSequenceClassifierOnBackend,
  loadTokenClassifier as loadTokenClassifierOnBackend,
  type ModelSource,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/** Starts WebAssembly unless `init` has started a backend. */
async function startBackend(): Promise<void> {
  if (!isInitialized()) await init(wasm());
}

/**
 * Loads a model from a Hugging Face folder (a path or file: URL in Node, or an http(s) address), from the Hugging Face
 * hub (`hf://org/name@revision`), from `ModelFiles`, or from a GGUF file. A GGUF file is given by a path or address
 * that ends in .gguf, or as a Blob or File. Uses the backend given to `init`; default: WebAssembly. Throws if a tensor
 * is missing, is unexpected or has another shape.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<LoadedModel> {
  await startBackend();
  return loadModelOnBackend(source, options);
}

/**
 * Loads a sequence classifier from a Hugging Face folder (a path or file: URL in Node, or an http(s) address), from the
 * Hugging Face hub (`hf://org/name`) or from `ModelFiles`. Uses the backend given to `init`; default: WebAssembly. With
 * `newHead`, the checkpoint may be of a model for another task. Throws if a tensor is missing, is unexpected or has
 * another shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  await startBackend();
  return loadSequenceClassifierOnBackend(source, options);
}

/**
 * Loads a token classifier from the sources that `loadSequenceClassifier` accepts. Uses the backend given to `init`;
 * default: WebAssembly. With `newHead`, the checkpoint may be of a model for another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  await startBackend();
  return loadTokenClassifierOnBackend(source, options);
}

/**
 * Loads an encoder without a head, as transformers' AutoModel does, so that adapters for feature extraction fit it.
 * Accepts the sources that `loadSequenceClassifier` accepts. Uses the backend given to `init`; default: WebAssembly.
 */
export async function loadEncoder(
  source: string | URL | ModelFiles,
  options: Omit<LoadClassifierOptions, "newHead"> = {},
): Promise<LoadedEncoder> {
  await startBackend();
  return loadEncoderOnBackend(source, options);
}
