import { copyInto, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import { type PeftConfig, sameValue } from "../config/peftConfig.ts";
import { type LayerAdapter, TunerLayer } from "../layers/tunerLayer.ts";
import { LoraConfig } from "../methods/loraConfig.ts";
import type { Adapter } from "../model/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { loadSaved } from "./loadSaved.ts";
import type { SavedAdapter } from "./readAdapter.ts";

/** Options that two adapters may differ in though one takes the other's place: what they say shows in the tensors, or is past. */
const free =
  /^(baseModelNameOrPath|revision|taskType|fanInFanOut|(target|exclude)Modules|layers(ToTransform|Pattern)|init.*|.*Init|(loftq|eva)Config)$/;

/** Those of LoRA besides: what its layers are made anew from, or scaled by. */
const freeInLora = /^(r|loraAlpha|useRslora|(rank|alpha)Pattern)$/;

/**
 * Puts the values of a saved adapter in the place of those of adapter `name`: in place, but for layers of LoRA whose rank is
 * another. Throws, with nothing changed, where they do not fit.
 */
export async function hotswapAdapter(
  tuner: Tuner<Module>,
  saved: SavedAdapter,
  name: string,
  onWarning: (message: string) => void,
): Promise<void> {
  const { config, method } = tuner.adapter(name);
  if (tuner.mergedNames.includes(name)) {
    throw new Error(`adapter "${name}" is merged; call unmergeAdapter before its values are swapped`);
  }
  if (saved.method !== method) refuse("the method", saved.method.peftType, method.peftType, name);
  const next = config instanceof LoraConfig ? onLayersOf(config, saved, tuner.trained(name), name) : saved.config;
  const mayLack = (key: string) => config instanceof LoraConfig && key.includes(".lora_");
  const incoming = `${name}-incoming`;
  await loadSaved(tuner, { ...saved, config: next }, incoming, { mayLack }, onWarning);
  try {
    takeOver(tuner, tuner.adapter(incoming), tuner.adapter(name));
  } finally {
    tuner.remove(incoming);
  }
}

/**
 * A saved LoRA's configuration for the layers of adapter `name`: those that its file leaves out become a product of zeros.
 * Throws where the file holds more than there is a place for, or parts of a layer.
 */
function onLayersOf(
  own: LoraConfig,
  { config, weights }: SavedAdapter,
  trained: ReadonlyMap<string, Tensor>,
  name: string,
): LoraConfig {
  checkKeepsBase("the new adapter", config as LoraConfig);
  checkKeepsBase(`adapter "${name}"`, own);
  const { useDora, loraBias } = config as LoraConfig;
  if (useDora !== own.useDora) refuse("useDora", useDora, own.useDora, name);
  const isFactor = (key: string) => key.includes(".lora_");
  const layerOf = (key: string) => key.slice(0, key.indexOf(".lora_"));
  const found = weights.names().filter(isFactor);
  const layers = new Set(found.map(layerOf));
  const missing = [...trained.keys()].filter((key) => {
    if (!isFactor(key) || weights.has(key)) return false;
    // DoRA's lengths have no zero: with lengths of zero the layer itself would give nothing.
    return useDora || (layers.has(layerOf(key)) && (loraBias || !key.endsWith(".bias")));
  });
  const unplaced = found.filter((key) => !trained.has(key));
  checkKeys(name, [...unplaced.map((key) => `${key} has no place`), ...missing.map((key) => `${key} is missing`)]);
  const { targetModules, excludeModules, layersToTransform, layersPattern } = own;
  const places = { targetModules, excludeModules, layersToTransform, layersPattern };
  return config.with({ ...places, loraBias: own.loraBias }) as LoraConfig;
}

function checkKeys(name: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  throw new Error(
    `hotswapAdapter: the files do not fit adapter "${name}": ${wrong.join("; ")}; use loadAdapter under a new name`,
  );
}

/** Throws for a start that changes the base weights when the adapter is put on them. */
function checkKeepsBase(which: string, { initLoraWeights: start }: LoraConfig): void {
  if (!/^(pissa|olora|loftq)/.test(`${start}`)) return;
  throw new Error(
    `hotswapAdapter: ${which} started from ${start}, and belongs to base weights of its own; delete the old adapter and use loadAdapter on the base weights as they were`,
  );
}

/** Gives the values and the configuration of `incoming` to `own`. Throws, with nothing changed, where one has what the other lacks. */
function takeOver(tuner: Tuner<Module>, incoming: Adapter, own: Adapter): void {
  checkConfigs(incoming, own);
  const [values, places] = [valuesOf(tuner, incoming.name), valuesOf(tuner, own.name)];
  const ranked = (key: string) => own.config instanceof LoraConfig && key.includes(".lora_");
  const wrong = [...values].flatMap(([key, { shape }]) => {
    const there = places.get(key)?.shape;
    if (there && (ranked(key) || there.join() === shape.join())) return [];
    return [there ? `${key} is [${shape}], not [${there}]` : `${key} has no place`];
  });
  const missing = [...places.keys()].filter((key) => !values.has(key)).map((key) => `${key} is missing`);
  checkKeys(own.name, [...wrong, ...missing]);
  for (const [, layer] of tuner.model.namedModules()) {
    if (layer instanceof TunerLayer && layer.has(own.name)) takeLayer(layer, incoming.name, own.name);
  }
  const targets = valuesOf(tuner, own.name);
  for (const [key, value] of valuesOf(tuner, incoming.name)) copyInto(targets.get(key)!, value);
  own.config = incoming.config;
  tuner.setTrainable(own.name, own.trainable);
}

/** What is not copied of a layer: its scaling, and all of it where its rank is another. */
function takeLayer(layer: TunerLayer, incoming: string, name: string): void {
  const [next, own] = [layer.get(incoming)!, layer.get(name)!];
  const shapes = ({ parameters }: LayerAdapter) => Object.values(parameters).map(({ shape }) => `${shape}`);
  if (!sameValue(shapes(next), shapes(own))) layer.replace(name, incoming);
  else if (next.scaling !== undefined) own.scaling = next.scaling;
}

/** All that an adapter brings to its model: what trains, constants, tables of its own. */
function valuesOf(tuner: Tuner<Module>, name: string): Map<string, Tensor> {
  const { swaps } = tuner.adapter(name);
  const replaced = [...swaps].map(([key, { on }]) => [key, on] as const);
  return new Map<string, Tensor>([...tuner.trained(name), ...tuner.buffers(name), ...replaced]);
}

function checkConfigs({ config: next }: Adapter, { config, name }: Adapter): void {
  const fields = next as unknown as Record<string, unknown>;
  for (const [key, wanted] of Object.entries(config as PeftConfig)) {
    if (free.test(key) || (config instanceof LoraConfig && freeInLora.test(key))) continue;
    if (!sameValue(fields[key], wanted)) refuse(key, fields[key], wanted, name);
  }
}

function refuse(key: string, value: unknown, wanted: unknown, name: string): never {
  throw new Error(
    `hotswapAdapter: ${key} is ${JSON.stringify(value)}, and ${JSON.stringify(wanted)} in adapter "${name}"; use loadAdapter under a new name`,
  );
}
