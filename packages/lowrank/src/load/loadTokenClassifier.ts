import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import {
  type LoadClassifierOptions,
  type LoadedTokenClassifier,
  loadTokenClassifier as onBackend,
} from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a model that classifies tokens, from where `loadSequenceClassifier` loads others, on the
 * backend given to `init`, or else on WebAssembly. With `newHead`, the checkpoint may be that of
 * another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
