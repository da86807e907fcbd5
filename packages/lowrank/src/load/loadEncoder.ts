import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import { type LoadClassifierOptions, type LoadedEncoder, loadEncoder as onBackend } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads an encoder without a head, from where `loadSequenceClassifier` loads others, on the backend
 * given to `init`, or else on WebAssembly: transformers' AutoModel, whose names the adapters of
 * feature extraction have.
 */
export async function loadEncoder(
  source: string | URL | ModelFiles,
  options: Omit<LoadClassifierOptions, "newHead"> = {},
): Promise<LoadedEncoder> {
  if (!isInitialized()) await init(wasm());
  return onBackend(source, options);
}
