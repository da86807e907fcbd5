import { init, isInitialized } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import { type LoadedModel, type LoadModelOptions, loadModel as loadOnBackend } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a model from a Hugging Face folder (a path or file: URL in Node) or from `ModelFiles`, on the backend given to
 * `init`, or else on WebAssembly. Throws where a tensor is missing, unexpected or of another shape.
 */
export async function loadModel(
  source: string | URL | ModelFiles,
  options: LoadModelOptions = {},
): Promise<LoadedModel> {
  if (!isInitialized()) await init(wasm());
  return loadOnBackend(source, options);
}
