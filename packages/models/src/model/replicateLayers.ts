import { OptionError, type Shape, withBackend } from "@lowrank/core";
import { type Module, ModuleList, Parameter } from "@lowrank/nn";
import type { ParameterSource } from "./parameters.ts";
import type { LayerRanges, TransformerModel } from "./transformerModel.ts";

/** A model with its config, whose entries for single layers follow the layers. */
type ConfiguredModel = TransformerModel & { readonly config: object };

/**
 * Returns the path of the list of layers, where PEFT looks for it: `layers`, `encoder.layer` or `h`, inside any number
 * of modules `model` and one module `bert`. Throws if there is none.
 */
function layersPath(model: Module): string {
  const path: string[] = [];
  let inner = model;
  const enter = (name: string) => {
    const child = inner.getChild(name);
    if (child) path.push(name);
    inner = child ?? inner;
    return child !== undefined;
  };
  while (enter("model"));
  enter("bert");
  for (const [first, ...rest] of [["layers"], ["encoder", "layer"], ["h"]]) {
    const found = rest.reduce((module, name) => module?.getChild(name), inner.getChild(first));
    if (found instanceof ModuleList) return [...path, first, ...rest].join(".");
  }
  const message = `${model.constructor.name} has no list of layers where PEFT looks for it; layers can be replicated in Llama and similar models, and in BERT`;
  throw new Error(`layerReplication: ${message}`);
}

/** Returns the number of each layer of the new stack in the old one. */
function oldNumbers(ranges: LayerRanges, layers: number): number[] {
  return ranges.flatMap(([start, end]) => {
    if (end > layers) {
      throw new OptionError("", "layerReplication", ranges, (named) => {
        return `${named("layerReplication")} has the range [${start}, ${end}], but the model has ${layers} layers; end at ${layers} or before`;
      });
    }
    return Array.from({ length: end - start }, (_, i) => start + i);
  });
}

/** Returns a config for the new stack. Lists with an entry for each layer follow the layers. */
function stackedConfig(config: object, layers: number, numbers: readonly number[]): object {
  const { numKvSharedLayers } = config as { numKvSharedLayers?: number };
  if (numKvSharedLayers) {
    throw new Error(
      "layerReplication: layers of this model reuse the keys of other layers, so they cannot be restacked",
    );
  }
  const entries = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (key === "numHiddenLayers") return [key, numbers.length];
    const perLayer = Array.isArray(value) && value.length === layers && /layers$|types$/i.test(key);
    return [key, perLayer ? numbers.map((number) => value[number]) : value];
  });
  return Object.fromEntries(entries);
}

/**
 * Replaces a model's layers by `ranges` of them, stacked in this order, and returns a function that restores the old
 * layers. All layers get new modules, which share the weights of the old ones. The model's config and cache sizes then
 * describe the new stack. `build` builds a model of the same kind.
 */
export function replicateLayers(
  model: ConfiguredModel,
  ranges: LayerRanges,
  build: (config: never, source: ParameterSource) => TransformerModel,
): () => void {
  const path = layersPath(model);
  const [top] = path.split(".");
  const layers = [...(model.getSubmodule(path) as ModuleList)];
  const numbers = oldNumbers(ranges, layers.length);
  const config = stackedConfig(model.config, layers.length, numbers);
  const own = model.stateDict();
  const source = (name: string, shape: Shape) => {
    const [, number, rest] = name.startsWith(`${path}.`) ? /^(\d+)\.(.*)/.exec(name.slice(path.length + 1))! : [];
    const old = number === undefined ? name : `${path}.${numbers[Number(number)]}.${rest}`;
    const tensor = own.get(old);
    // The caller frees the tensor from which it makes a buffer.
    if (tensor?.shape.join() === shape.join()) return tensor instanceof Parameter ? tensor : new Parameter(tensor);
    const found = tensor ? `[${tensor.shape}]` : "missing";
    throw new Error(
      `layerReplication: the new stack needs ${name} of the shape [${shape}], but ${old} is ${found}; its layers depend on their number`,
    );
  };
  const stacked = withBackend(model.backend, () => build(config as never, source) as ConfiguredModel);
  for (const [i, number] of numbers.entries()) {
    matchLayer(stacked.getSubmodule(`${path}.${i}`), layers[number], `${path}.${number}`);
  }
  keepOthers(model, stacked, path.split("."));
  const before = { [top]: model.getChild(top), config: model.config, attentionSizes: model.attentionSizes };
  const { attentionSizes } = stacked;
  Object.assign(model, { [top]: stacked.getChild(top), config, attentionSizes });
  return () => void Object.assign(model, before);
}

/** Sets a new layer to the mode of its old one. Throws if its modules are of other kinds. */
function matchLayer(layer: Module, old: Module, path: string): void {
  const made = new Map(layer.namedModules());
  for (const [name, before] of old.namedModules()) {
    const module = made.get(name);
    if (before.constructor !== module?.constructor) {
      const is = module ? `a ${module.constructor.name}` : "absent";
      throw new Error(
        `layerReplication: ${path}.${name} is a ${before.constructor.name}, and ${is} in the new stack; replicate the layers of the model as it was loaded`,
      );
    }
    module.training = before.training;
  }
}

/** Puts the modules of `model` into `stacked`, except the list of layers at `path` and the modules around it. */
function keepOthers(model: Module, stacked: Module, [next, ...rest]: readonly string[]): void {
  stacked.training = model.training;
  for (const [name, child] of model.namedChildren()) {
    if (name !== next) stacked.setSubmodule(name, child);
    else if (rest.length > 0) keepOthers(child, stacked.getChild(name)!, rest);
    else stacked.getChild(name)!.training = child.training;
  }
}
