import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import {
  type LoadClassifierOptions,
  type LoadedClassifier,
  loadSequenceClassifier as onBackend,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a sequence classifier from a Hugging Face folder (a path or file: URL in Node, an http(s) address), from the
 * Hugging Face hub (`hf://org/name`) or from `ModelFiles`, on the backend given to `init`, or else on WebAssembly. With
 * `newHead`, the checkpoint may be of a model for another task. Throws if a tensor is missing, is unexpected or has
 * another shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
