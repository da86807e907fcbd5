import { SavedModule } from "../layers/savedModule.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Wrapper } from "../layers/wrapper.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";

/** The state of one adapted module. */
export interface LayerStatus {
  /** The module's path in the base model. */
  readonly name: string;
  /** The `layerKind` of an adapted layer, such as "linear", "saved" for modules that an adapter trains in full. */
  readonly moduleType: string;
  /** False while the model runs without adapters, in `disableAdapter`. */
  readonly enabled: boolean;
  /** The active adapter, if it changes this module. */
  readonly activeAdapters: readonly string[];
  /** The adapters that are merged into this module's weight. */
  readonly mergedAdapters: readonly string[];
  /** The adapters that change this module, sorted. */
  readonly availableAdapters: readonly string[];
  /** True if the adapter's tensors require gradients, by adapter. "irregular": only some do. */
  readonly requiresGrad: Readonly<Record<string, boolean | "irregular">>;
  /** The backends that hold the adapter's tensors, by adapter. */
  readonly backends: Readonly<Record<string, readonly string[]>>;
  /** The dtype of the base weight if it is quantised, such as "nf4". Null otherwise. */
  readonly quantization: string | null;
}

/** The state of all adapters of a model. "irregular": the state differs between modules. */
export interface ModelStatus {
  /** The adapters' methods, by adapter: `{ default: "LORA" }`. */
  readonly peftTypes: Readonly<Record<string, string>>;
  /** Number of elements that require gradients. */
  readonly trainableParams: number;
  /** Number of elements of the base model and of all adapters. */
  readonly totalParams: number;
  /** Number of adapted modules. */
  readonly numAdapterLayers: number;
  readonly enabled: boolean;
  readonly activeAdapters: readonly string[];
  readonly mergedAdapters: readonly string[];
  readonly availableAdapters: readonly string[];
  readonly requiresGrad: Readonly<Record<string, boolean | "irregular">>;
  readonly backends: Readonly<Record<string, readonly string[]>>;
  /** The dtype of quantised base weights, null if none is quantised, or "irregular" if they differ. */
  readonly quantization: string | null;
}

/**
 * Returns the state of each adapted module, like PEFT's `get_layer_status`.
 *
 * @throws If no adapter changes a module, as with prompt methods.
 *
 * @example
 * for (const { name, requiresGrad } of getLayerStatus(peft)) console.log(name, requiresGrad);
 */
export function getLayerStatus<M extends AdaptableModel>(peft: PeftModel<M>): LayerStatus[] {
  const tuner = peft.base_model;
  const names = [...tuner.adapters.keys()].sort();
  const status = [...tuner.wrappers].map(([name, wrapper]): LayerStatus => {
    const availableAdapters = names.filter((adapter) => wrapper.has(adapter));
    const of = <T>(value: (adapter: string) => T) => Object.fromEntries(availableAdapters.map((a) => [a, value(a)]));
    return {
      name,
      moduleType: typeOf(wrapper),
      enabled: tuner.enabled,
      activeAdapters: availableAdapters.filter((adapter) => tuner.active.includes(adapter)),
      mergedAdapters: availableAdapters.filter((adapter) => tuner.mergedNames.includes(adapter)),
      availableAdapters,
      requiresGrad: of((a) => common([...wrapper.tensors(a).values()].map(({ requiresGrad }) => requiresGrad))),
      backends: of((a) => sorted([...wrapper.tensors(a).values()].map(({ storage }) => storage.backend.name))),
      quantization: quantizationOf(wrapper),
    };
  });
  if (status.length > 0) return status;
  throw new Error("getLayerStatus: no adapter of this model changes a module; prompt methods have no layers");
}

/**
 * Returns the state of all adapters of a model, like PEFT's `get_model_status`.
 *
 * @throws If no adapter changes a module, as with prompt methods.
 *
 * @example
 * const { activeAdapters, trainableParams } = getModelStatus(peft);
 */
export function getModelStatus<M extends AdaptableModel>(peft: PeftModel<M>): ModelStatus {
  const layers = getLayerStatus(peft);
  const tuner = peft.base_model;
  const names = sorted(layers.flatMap(({ availableAdapters }) => availableAdapters));
  const of = <T>(value: (having: readonly LayerStatus[], name: string) => T) =>
    Object.fromEntries(
      names.map((a) => [
        a,
        value(
          layers.filter((layer) => a in layer.requiresGrad),
          a,
        ),
      ]),
    );
  const { trainable, all } = peft.getNbTrainableParameters();
  const kinds = new Set(layers.map(({ quantization }) => quantization));
  return {
    peftTypes: Object.fromEntries([...tuner.adapters].map(([name, { config }]) => [name, config.peftType])),
    trainableParams: trainable,
    totalParams: all,
    numAdapterLayers: layers.length,
    enabled: tuner.enabled,
    activeAdapters: [...tuner.active],
    mergedAdapters: [...tuner.mergedNames].sort(),
    availableAdapters: names,
    requiresGrad: of((having, a) => common(having.map(({ requiresGrad }) => requiresGrad[a]))),
    backends: of((having, a) => sorted(having.flatMap(({ backends }) => backends[a]))),
    quantization: kinds.size > 1 ? "irregular" : layers[0].quantization,
  };
}

function typeOf(wrapper: Wrapper): string {
  if (wrapper instanceof SavedModule) return "saved";
  return wrapper instanceof TunerLayer ? (wrapper.base_layer.layerKind ?? "module") : "module";
}

function quantizationOf({ wrapped }: Wrapper): string | null {
  const { dtype } = (wrapped as { weight?: { dtype: string } }).weight ?? {};
  return dtype === undefined || ["f32", "f16", "bf16"].includes(dtype) ? null : dtype;
}

/** Returns the value that all have, or "irregular". */
function common(values: readonly (boolean | "irregular")[]): boolean | "irregular" {
  return values.every((value) => value === values[0]) ? (values[0] ?? false) : "irregular";
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
