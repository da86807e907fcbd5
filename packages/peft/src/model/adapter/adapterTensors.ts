import { noGrad, scope, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { SavedModule } from "../../layers/savedModule.ts";
import { TunerLayer } from "../../layers/tunerLayer.ts";
import type { Wrappers } from "../../layers/wrapper.ts";
import { isPromptMethod } from "../../methods/shared/method.ts";
import { type Adapter, encoderPrefix, filePrefix, sharedPrefix } from "./adapter.ts";

/**
 * Returns the parameters that an adapter trains, by file key. A prompt encoder's parameters, which files do not
 * contain, are keyed by their path.
 */
export function trainedTensors(adapter: Adapter, wrappers: Wrappers): Map<string, Parameter> {
  const found = new Map<string, Parameter>();
  const { name, method, config, shared, prompt, swaps, tables, filePaths } = adapter;
  const prefix = isPromptMethod(method) ? sharedPrefix : filePrefix;
  const fileKey = isPromptMethod(method) ? undefined : method.fileKey;
  for (const [path, wrapper] of wrappers) {
    for (const [key, parameter] of wrapper.tensors(name)) {
      found.set(fileKey?.(path, key, config) ?? `${prefix}${filePaths?.get(path) ?? path}.${key}`, parameter);
    }
  }
  for (const [path, parameter] of prompt?.encoder.namedParameters() ?? []) {
    found.set(`${encoderPrefix}${path}`, parameter);
  }
  for (const [key, parameter] of Object.entries(shared.parameters ?? {})) found.set(`${sharedPrefix}${key}`, parameter);
  for (const [key, { on }] of swaps) if (!tables.has(key)) found.set(key, on);
  return found;
}

/**
 * Returns an adapter's trained tensors as files contain them, by file key, and copies of them for tied layers. For a
 * prompt method, these include the computed table of virtual tokens instead of the encoder's parameters. The caller
 * frees tensors that are not parameters.
 */
export function filedTensors(adapter: Adapter, wrappers: Wrappers): Map<string, Tensor> {
  const { prompt } = adapter;
  const found = new Map<string, Tensor>(trainedTensors(adapter, wrappers));
  for (const [path, wrapper] of wrappers) {
    const copies = wrapper instanceof TunerLayer ? wrapper.get(adapter.name)?.copies?.() : undefined;
    for (const [key, copy] of Object.entries(copies ?? {})) found.set(`${filePrefix}${path}.${key}`, copy);
  }
  if (!prompt) return found;
  for (const key of found.keys()) if (key.startsWith(encoderPrefix)) found.delete(key);
  for (const [key, parameter] of Object.entries(prompt.encoder.further)) found.set(key, parameter);
  return found.set(
    "prompt_embeddings",
    noGrad(() => scope(() => prompt.encoder.rows())),
  );
}

/**
 * Returns the tensors that an adapter does not train but that its file contains, such as VeRA's projections, by file
 * key.
 */
export function bufferTensors({ name, shared }: Adapter, wrappers: Wrappers): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const [path, wrapper] of wrappers) {
    if (!(wrapper instanceof TunerLayer)) continue;
    for (const [key, buffer] of wrapper.buffers(name)) found.set(`${filePrefix}${path}.${key}`, buffer);
  }
  if (!shared.savesBuffers) return found;
  for (const [key, buffer] of Object.entries(shared.buffers ?? {})) found.set(`${sharedPrefix}${key}`, buffer);
  return found;
}

/**
 * Returns all tensors of an adapter that are not trained, whether its file contains them or not. Base model tensors are
 * not included.
 */
export function constantTensors({ name, shared }: Adapter, wrappers: Wrappers): Set<Tensor> {
  const found = new Set<Tensor>(Object.values(shared.buffers ?? {}));
  for (const wrapper of wrappers.values()) {
    const layer = wrapper instanceof TunerLayer ? wrapper.get(name) : undefined;
    for (const constant of [...Object.values(layer?.buffers ?? {}), ...(layer?.constants ?? [])]) found.add(constant);
  }
  return found;
}

/**
 * Returns the weights of embeddings and output layers that an adapter's file contains, by file key. Each is the
 * adapter's copy if there is one, otherwise the base model's parameter.
 */
export function tableTensors({ tables, swaps }: Adapter): Map<string, Parameter> {
  return new Map([...tables].map(([key, { weight }]) => [key, swaps.get(key)?.on ?? weight]));
}

/**
 * Returns the biases that PEFT saves a second time in an adapter's file, by file key. With `bias: "all"`, PEFT saves
 * every tensor whose key in memory ends in `bias`. For a module in `modulesToSave`, these are the adapter's copy of the
 * bias and the original bias. Some of the keys contain the adapter's name; `savedAs` is the name at the time when the
 * file was written.
 */
export function repeatedBiases(
  { name, method, config }: Adapter,
  wrappers: Wrappers,
  savedAs: string,
): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  if (isPromptMethod(method) || method.bias?.(config) !== "all") return found;
  for (const [path, wrapper] of wrappers) {
    if (!("originals" in wrapper)) continue;
    const originals = (wrapper as SavedModule).originals(name);
    for (const [key, copy] of wrapper.tensors(name)) {
      if (!/(^|\.)bias$/.test(key)) continue;
      // PEFT removes the adapter's name from a key only if exactly one more name comes after it.
      const inMemory = key === "bias" ? key : `${savedAs}.${key}`;
      found.set(`${filePrefix}${path}.modules_to_save.${inMemory}`, copy);
      found.set(`${filePrefix}${path}.original_module.${key}`, originals.get(key)!);
    }
  }
  return found;
}
