import { init, isInitialized } from "@lowrank/core";
import { type LoadedModel, type LoadModelOptions, loadModel as loadOnBackend, type ModelSource } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";

/**
 * Loads a model from a Hugging Face folder (a path or file: URL in Node, an http(s) address), from the Hugging Face hub
 * (`hf://org/name@revision`), from `ModelFiles`, or from a GGUF file (its path or address, which ends in .gguf, or a
 * Blob or File), on the backend given to `init`, or else on WebAssembly. Throws if a tensor is missing, is unexpected
 * or has another shape.
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<LoadedModel> {
  if (!isInitialized()) await init(wasm());
  return loadOnBackend(source, options);
}
