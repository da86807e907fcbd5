import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import {
  type LoadClassifierOptions,
  type LoadedTokenClassifier,
  loadTokenClassifier as onBackend,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a token classifier from the sources of `loadSequenceClassifier`, on the backend given to `init`, or else on
 * WebAssembly. With `newHead`, the checkpoint may be of a model for another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
