import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import { type LoadClassifierOptions, type LoadedEncoder, loadEncoder as onBackend } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads an encoder without a head, as transformers' AutoModel does, so that adapters for feature extraction fit it.
 * Accepts the sources of `loadSequenceClassifier`, and uses the backend given to `init`, or else WebAssembly.
 */
export async function loadEncoder(
  source: string | URL | ModelFiles,
  options: Omit<LoadClassifierOptions, "newHead"> = {},
): Promise<LoadedEncoder> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
