import { copyInto, noGrad, type Tensor } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import { UnsupportedError } from "../config/checks.ts";
import { placeFields } from "../config/layerPeftConfig.ts";
import { type PeftConfig, sameValue } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { type LayerAdapter, TunerLayer } from "../layers/tunerLayer.ts";
import { type AnyMethod, isPromptMethod } from "../methods/shared/method.ts";
import { type AnyRank, loadFact, type MethodFacts, type Swappable } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { loadSaved } from "./loadSaved.ts";
import type { SavedAdapter } from "./readAdapter.ts";

/**
 * Configuration fields that may always differ in a hot swap: the names of base model and task, and the options that
 * select modules. These options need not be equal, since the new adapter's file is compared with the old adapter key by
 * key.
 */
const commonFields: readonly string[] = ["baseModelNameOrPath", "revision", "taskType", ...placeFields];

/**
 * Replaces the values of adapter `name` by a saved adapter's values. Layers with another rank get new tensors; all
 * other tensors are overwritten in place. If the files do not fit, throws and changes nothing.
 */
export async function hotswapAdapter(
  tuner: Tuner<Module>,
  saved: SavedAdapter,
  name: string,
  onWarning: OnWarning,
): Promise<void> {
  const { config, method } = tuner.adapter(name);
  if (tuner.mergedNames.includes(name)) {
    throw new Error(`adapter "${name}" is merged; call unmergeAdapter before its values are swapped`);
  }
  const half = [...tuner.trained(name)].find(([, { dtype }]) => dtype !== "f32");
  if (half) {
    throw new Error(
      `adapter "${name}" is kept in half precision (${half[0]} is ${half[1].dtype}); load the new one by loadAdapter under a new name`,
    );
  }
  if (saved.method !== method) refuse("the method", saved.method.peftType, method.peftType, name);
  checkEncoder(tuner.adapter(name));
  checkKeepsBase("the new adapter", method, saved.config);
  checkKeepsBase(`adapter "${name}"`, method, config);
  const swappable = await loadFact<Swappable<PeftConfig>>(method.swappable);
  const anyRank = swappable?.anyRank;
  const next = anyRank
    ? onLayersOf(tuner.adapter(name), saved, keysOf(tuner, name), { ...swappable, anyRank })
    : saved.config;
  const mayLack = (key: string) => anyRank !== undefined && anyRank.layerOf(key) !== null;
  const incoming = `${name}-incoming`;
  await loadSaved(tuner, { ...saved, config: next }, incoming, { mayLack }, onWarning);
  try {
    takeOver(tuner, tuner.adapter(incoming), tuner.adapter(name), swappable);
    await tuner.valuesRead(name);
  } finally {
    tuner.remove(incoming);
  }
}

/**
 * Returns the configuration of a saved adapter, but with the targets of adapter `own`, and with `own`'s values of the
 * fields that `keeps` lists. Layers of `own` that are missing in the file are allowed; the swap sets their adapter
 * weights to zero. Throws if the file has tensors for layers that `own` does not adapt, or only some of a layer's
 * tensors.
 */
function onLayersOf(
  own: Adapter,
  { config, weights }: SavedAdapter,
  keys: ReadonlyMap<string, { readonly copied: boolean }>,
  swappable: Swappable<PeftConfig> & { anyRank: AnyRank<PeftConfig> },
): PeftConfig {
  const { layerOf, keeps, mayLack } = swappable.anyRank;
  const ownFields = Object.entries(own.config).filter(
    ([key]) => keeps.includes(key) || (placeFields as readonly string[]).includes(key),
  );
  const next = config.with(Object.fromEntries(ownFields));
  checkConfigs(next, own, swappable);
  const found = weights.names().filter((key) => layerOf(key) !== null);
  const layers = new Set(found.map(layerOf));
  const missing = [...keys].flatMap(([key, { copied }]) => {
    const layer = layerOf(key);
    const lacked = layer !== null && !weights.has(key) && (copied || !mayLack(key, config, !layers.has(layer)));
    return lacked ? [key] : [];
  });
  const unplaced = found.filter((key) => !keys.has(key));
  checkKeys(own.name, [...unplaced.map((key) => `${key} has no place`), ...missing.map((key) => `${key} is missing`)]);
  return next;
}

/** Returns the keys of an adapter's file. `copied` is true for a tied layer's copy of another layer's tensor. */
function keysOf(tuner: Tuner<Module>, name: string): Map<string, { copied: boolean }> {
  return new Map(
    [...tuner.filed(name)].map(([key, tensor]) => {
      const copied = !(tensor instanceof Parameter);
      if (copied) tensor.dispose();
      return [key, { copied }];
    }),
  );
}

function checkKeys(name: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  throw new Error(
    `hotswapAdapter: the files do not fit adapter "${name}": ${wrong.join("; ")}; use loadAdapter under a new name`,
  );
}

/** Throws if a prompt adapter trains an encoder: files contain only the virtual tokens that the encoder computes. */
function checkEncoder({ name, method, config, prompt }: Adapter): void {
  const any: AnyMethod = method;
  if (!prompt || prompt.final || !isPromptMethod(any) || any.trainsRows(config as never)) return;
  throw new UnsupportedError(
    "not_swappable",
    `hotswapAdapter: adapter "${name}" (${any.peftType}) trains an encoder, and files contain only its virtual tokens; use loadAdapter under a new name`,
  );
}

/**
 * Throws if the adapter's initialisation changed the base weights. Such an adapter fits only the changed weights, so it
 * cannot take part in a hot swap. `which` names the adapter in the message.
 */
function checkKeepsBase(which: string, method: MethodFacts<PeftConfig>, config: PeftConfig): void {
  const start = method.startsFromWeights?.(config) ?? null;
  if (!start) return;
  throw new UnsupportedError(
    "not_swappable",
    `hotswapAdapter: ${which} was initialised by ${start.name}, which changes the base weights, so it cannot be swapped; delete the old adapter, and use loadAdapter on the original base weights`,
  );
}

/**
 * Copies the values and the configuration of adapter `incoming` to `own`. Throws and changes nothing if one of them has
 * tensors that the other lacks.
 */
function takeOver(
  tuner: Tuner<Module>,
  incoming: Adapter,
  own: Adapter,
  swappable: Swappable<PeftConfig> | undefined,
): void {
  checkConfigs(incoming.config, own, swappable);
  const [values, places] = [valuesOf(tuner, incoming.name), valuesOf(tuner, own.name)];
  const { anyRank } = swappable ?? {};
  const ranked = (key: string) => anyRank !== undefined && anyRank.layerOf(key) !== null;
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
  for (const [key, value] of valuesOf(tuner, incoming.name)) noGrad(() => copyInto(targets.get(key)!, value));
  own.config = incoming.config;
  tuner.setTrainable(own.name, own.trainable);
}

/**
 * Copies a layer's scaling from adapter `incoming` to `name`. If the ranks differ, moves the whole layer adapter
 * instead.
 */
function takeLayer(layer: TunerLayer, incoming: string, name: string): void {
  const [next, own] = [layer.get(incoming)!, layer.get(name)!];
  const shapes = ({ parameters, tiedTo }: LayerAdapter) =>
    Object.values({ ...tiedTo?.parameters, ...parameters }).map(({ shape }) => `${shape}`);
  if (!sameValue(shapes(next), shapes(own))) layer.replace(name, incoming);
  else if (next.scaling !== undefined) layer.setScaling(name, next.scaling);
}

/**
 * Returns the tensors that an adapter's file contains: parameters, constants, and tensors that replace base model
 * parameters (biases, tables).
 */
function valuesOf(tuner: Tuner<Module>, name: string): Map<string, Tensor> {
  const { swaps } = tuner.adapter(name);
  const replaced = [...swaps].map(([key, { on }]) => [key, on] as const);
  return new Map<string, Tensor>([...tuner.trained(name), ...tuner.buffers(name), ...replaced]);
}

function checkConfigs(
  next: PeftConfig,
  { config, method, name }: Adapter,
  swappable: Swappable<PeftConfig> | undefined,
): void {
  const free = new Set([...commonFields, ...(swappable?.fields ?? [])]);
  if (method.setsFanInFanOut) free.add("fanInFanOut");
  const fields = next as unknown as Record<string, unknown>;
  const conflict = swappable?.conflict?.(next, config);
  for (const [key, wanted] of Object.entries(config)) {
    if ((!free.has(key) || key === conflict) && !sameValue(fields[key], wanted)) refuse(key, fields[key], wanted, name);
  }
}

function refuse(key: string, value: unknown, wanted: unknown, name: string): never {
  throw new Error(
    `hotswapAdapter: ${key} is ${JSON.stringify(value)} in the new files, but ${JSON.stringify(wanted)} in adapter "${name}"; use loadAdapter under a new name`,
  );
}
