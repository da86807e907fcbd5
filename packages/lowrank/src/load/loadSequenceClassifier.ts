import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import {
  type LoadClassifierOptions,
  type LoadedClassifier,
  loadSequenceClassifier as onBackend,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a model that classifies sequences from a Hugging Face folder (a path or file: URL in Node,
 * an http(s) address), from the Hugging Face hub (`hf://org/name`) or from `ModelFiles`, on the
 * backend given to `init`, or else on WebAssembly. With `newHead`, the checkpoint may be that of
 * another task. Throws where a tensor is missing, unexpected or of another shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
