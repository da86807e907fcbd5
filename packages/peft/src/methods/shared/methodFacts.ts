import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { AdapterSource } from "../../config/adapterSource.ts";
import type { ConfigFormat, LayerRanges, PeftConfig } from "../../config/peftConfig.ts";
import type { MethodOption, Recipe } from "./recipe.ts";

/** Floating-point dtypes. */
export type FloatDType = "f32" | "f16" | "bf16";

/**
 * Properties of a method. Code that works for all methods reads them, instead of checking for a method's name or
 * configuration class. Most are optional; the defaults suit a simple method.
 */
export interface MethodFacts<C extends PeftConfig> {
  /** The method's `peft_type` in PEFT: "LORA". */
  readonly peftType: string;
  /**
   * Names of options that set the size of a saved tensor, for all modules or by module name. A configuration file is
   * rejected if such a size exceeds the number of elements in the weights file. Default: `r` and `rankPattern`.
   */
  readonly sizes?: readonly string[];
  /** Returns the names among `sizes` that set the size of a tensor with this configuration. Default: all. */
  usedSizes?(config: C): readonly string[];
  readonly Config: new (options: never) => C;
  /** Rules for reading and writing the configuration in adapter_config.json. */
  readonly format: ConfigFormat;
  /** Named presets for commands and reports. Default: one preset with the configuration's defaults. */
  readonly recipes?: readonly Recipe<C>[];
  /**
   * Configuration fields that can be set by a command-line flag. Default: `targetModules` (for prompt methods
   * `numVirtualTokens`) and `modulesToSave`.
   */
  readonly options?: readonly MethodOption[];
  /**
   * Name of recipes and options that are not in this object, so that pages without a command line do not load them.
   * Copies of LoRA's object have them too. `recipes` and `options` take precedence. Default: none.
   */
  readonly offer?: "lora";
  /** True if the configuration has no `taskType`. */
  readonly taskless?: true;
  /**
   * Sets the number of training steps, unless the configuration already has one, and returns the new configuration.
   * Absent for methods that do not depend on the number of steps.
   */
  withSteps?(config: C, steps: number): C;
  /**
   * True if the task's heads (such as a classifier for "SEQ_CLS") are trained and saved with the adapter. Default:
   * true.
   */
  readonly trainsHeads?: boolean;
  /**
   * True if an output depends on the other rows of its batch. Such an adapter cannot be limited to some rows of a
   * batch, and servers refuse it. Default: false.
   */
  readonly mixesRows?: true;
  /**
   * The reason that an adapter cannot be limited to some rows of a batch, as the end of a sentence that starts with the
   * adapter's name: "runs the model twice". Servers refuse such an adapter. Absent if nothing prevents it.
   */
  readonly runsAlone?: string;
  /** Returns true if outputs depend on the model's other adapters. Servers refuse such an adapter. Default: false. */
  readsAdapters?(config: C): boolean;
  /**
   * Returns the ranges of the model's layers that replace its layers, stacked one after the other. Null or empty: the
   * layers stay. Default: null.
   */
  replicates?(config: C): LayerRanges | null;
  /**
   * Returns true if an output layer with the weight of the input embedding shares the embedding's adapter. Default:
   * false.
   */
  tiesLayers?(config: C): boolean;
  /**
   * Returns the saved LoRA adapters that an adapter mixes, by the names under which they are loaded. They are added to
   * the model before the adapter itself. Absent if it mixes none.
   */
  experts?(config: C): Readonly<Record<string, AdapterSource>>;
  /** Returns true if the adapters of `experts` are trained too. Default: false. */
  expertsTrain?(config: C): boolean;
  /**
   * Returns the number of tasks on which the outputs of adapted layers depend. A batch gives the task of each row, as
   * `taskIds`. Default: 0, for outputs that do not depend on tasks.
   */
  tasks?(config: C): number;
  /**
   * True if `fanInFanOut` is set from how the model stores its weights. False: the field keeps the user's value.
   * Default: false.
   */
  readonly setsFanInFanOut?: boolean;
  /**
   * True if PEFT stores the trained tensors in the base model's dtype, false if it stores them in f32. Only size
   * estimates of adapter files use this property. Default: false.
   */
  readonly followsBaseDtype?: boolean;
  /**
   * True if PEFT stores the trained tensors that layers share in the base model's dtype, false if it stores them in
   * f32. Only size estimates of adapter files use this property. Default: false.
   */
  readonly sharedFollowBaseDtype?: true;
  /**
   * True if buffers of floats have the base model's dtype in files, false if they have the dtype in which describing
   * the adapter creates them. Only size estimates of adapter files use this property. Default: false.
   */
  readonly buffersFollowBaseDtype?: true;
  /** The dtype of buffers of integers in files, if PEFT's files have 64 bits. Default: the dtype in memory, I32. */
  readonly integersInFiles?: "I64";
  /**
   * Returns true if the tensors of an adapter loaded in half precision can stay in half precision
   * (`LayerContext.dtypeOf`). Default: false.
   */
  keepsHalfPrecision?(config: C): boolean;
  /**
   * Returns how many elements of each layer PEFT counts as trainable although they are constant, for a base model of
   * this dtype. Default: 0.
   */
  countedConstants?(dtype: FloatDType): number;
  /**
   * Ways in which a new adapter may differ from the old adapter that `hotswapAdapter` replaces. Default: only in the
   * names of base model and task, and in the targets.
   */
  readonly swappable?: Fact<Swappable<C>>;
  /** Returns the configured initialisation if it overwrites base weights, otherwise null. Default: null. */
  startsFromWeights?(config: C): WeightStart<C> | null;
  /**
   * Converts an adapter whose initialisation overwrote base weights to an adapter for the original base weights.
   * Default: not supported.
   */
  readonly subtractsStart?: Fact<StartSubtraction<C>>;
  /**
   * Returns the configured initialisation if it reads training data (`startFromData`), otherwise null. Default: null.
   */
  startsFromData?(config: C): DataStart<C> | null;
  /**
   * True if `createLoraPlusOptimizer` supports the method, to train B with a higher learning rate than A. Default:
   * false.
   */
  readonly loraPlus?: boolean;
  /**
   * Describes how `addWeightedAdapter` combines adapters of this method: as products B A (LoRA), or as tensors of
   * scaling factors ((IA)³). Default: they cannot be combined.
   */
  readonly combines?: ProductForm<C> | FactorForm;
  /** File names and configuration layout of adapter folders. Default: PEFT's. */
  readonly layout?: AdapterLayout<C>;
}

/** A fact of a method, or a function that loads it, so that pages load it only when they use it. */
export type Fact<T extends object> = T | (() => Promise<T>);

/** Returns a fact, which is loaded if it is a function. */
export async function loadFact<T extends object>(fact: Fact<T> | undefined): Promise<T | undefined> {
  return typeof fact === "function" ? fact() : fact;
}

/** Differences that an adapter may have from the adapter that it replaces in a hot swap. */
export interface Swappable<C extends PeftConfig> {
  /**
   * Configuration fields, in camelCase, that may differ. A hot swap copies only tensors and each layer's `scaling`.
   * List only fields whose effect is in these, or that are used only at initialisation. The base model's name, the task
   * and the targets may always differ.
   */
  readonly fields: readonly string[];
  /**
   * Returns the name of a field of `fields` whose values in the new and in the old configuration cannot be swapped, for
   * example because they freeze different tensors. Null if there is none. Default: null.
   */
  conflict?(next: C, own: C): string | null;
  /**
   * Rules for layers that have another rank in the new adapter, or are missing there. Layers of another rank get new
   * tensors. Default: all tensors must have the same shapes.
   */
  readonly anyRank?: AnyRank<C>;
}

/** Rules for matching the layers of two adapters whose ranks differ. */
export interface AnyRank<C extends PeftConfig> {
  /**
   * Returns the part of a file key that identifies the layer, that is, the key without the tensor's name. Null if the
   * tensor does not belong to a layer.
   */
  layerOf(key: string): string | null;
  /**
   * Configuration fields that determine which tensors an adapter has. A hot swap keeps the old adapter's values of
   * these fields.
   */
  readonly keeps: readonly string[];
  /**
   * Returns true if the tensor `key` may be missing in the new adapter's file; the tensor is then set to zero. `config`
   * is the configuration of the new adapter. `absent` is true if the file has no tensors of that layer at all.
   */
  mayLack(key: string, config: C, absent: boolean): boolean;
}

/** An initialisation that permanently overwrites base weights, such as PiSSA. */
export interface WeightStart<C extends PeftConfig> {
  /** The initialisation's name in messages: "pissa". */
  readonly name: string;
  /**
   * The adapter's configuration without this initialisation. It is used to load the adapter onto base weights that the
   * initialisation has already overwritten.
   */
  readonly onSetWeights: C;
  /**
   * The function that must measure the model before the adapter is created: "preprocessLoraGa". Absent if the
   * initialisation needs the weights alone.
   */
  readonly measuredBy?: string;
}

/** The parts of a batch that a data-driven initialisation reads, each [B, T]. */
export interface DataBatch {
  inputIds: Tensor;
  /** Attention mask: 1 at tokens, 0 at padding, whose inputs are ignored. Default: no padding. */
  attentionMask?: Tensor | null;
  /** Training labels. An initialisation may ignore tokens with a masked label, such as -100. */
  labels?: Tensor | null;
}

/** One layer of an adapter whose initialisation reads data. */
export interface MeasuredLayer {
  readonly base: UnaryModule;
  /**
   * The tensors that the adapter trains on this layer. Each key is the tensor's name in the adapter file, without the
   * layer's path.
   */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** An initialisation that is computed from the layers' inputs on training data, such as EVA. */
export interface DataStart<C extends PeftConfig> {
  /** The initialisation's name in messages: "eva". */
  readonly name: string;
  /**
   * Creates an object that collects the inputs of `layers`, which are keyed by path. Throws if the layers were already
   * trained.
   */
  measure(layers: ReadonlyMap<string, MeasuredLayer>): Promise<DataMeasurement<C>>;
}

/** Collects the layers' inputs batch by batch for a data-driven initialisation. */
export interface DataMeasurement<C extends PeftConfig> extends Disposable {
  /** Paths of the layers whose inputs `add` needs for the next batch. */
  readonly watched: readonly string[];
  /** Adds one batch: the inputs [..., features] of the watched layers, by path. */
  add(inputs: ReadonlyMap<string, Tensor>, batch: DataBatch): Promise<void>;
  /**
   * Returns the configuration with which to create the adapter again on the layers `targets`. Also returns the initial
   * values of the new tensors, keyed by layer path and tensor name.
   */
  result(targets: readonly string[]): Promise<{ config: C; values: ReadonlyMap<string, Float32Array> }>;
}

/**
 * Rules for converting a trained adapter to an adapter of the same method that contains only the change since
 * initialisation. The new adapter has a larger rank.
 */
export interface StartSubtraction<C extends PeftConfig> {
  /**
   * Returns the reason that an adapter cannot be converted, as the end of a sentence that starts with the adapter's
   * name. Null if it can be converted.
   */
  refusal(config: C): string | null;
  /** Fields that must be equal in the configurations of the trained and of the initial adapter. */
  readonly sameFields: readonly string[];
  /**
   * Returns how the trained and the initial tensor `key` are joined: the initial one is multiplied by `sign` and
   * concatenated along dimension `dim`. Null for tensors without a rank dimension, which are not joined.
   */
  joins(key: string): { dim: number; sign: 1 | -1 } | null;
  /** Returns the configuration of the converted adapter, given the trained adapter's configuration. */
  joined(config: C): C;
}

/** Describes methods whose layers add scaling · B A to the base weight, for `addWeightedAdapter`. */
export interface ProductForm<C extends PeftConfig> {
  readonly kind: "products";
  /**
   * The possible names of A [rank, in] and B [out, rank] in files, without the layer's path. Each layer uses one of
   * these pairs.
   */
  readonly factors: readonly { readonly a: string; readonly b: string }[];
  /** Returns the scaling factor by which B A is multiplied for the layer at `path`. */
  scaling(config: C, path: string): number;
  /** Returns the largest rank of all layers. */
  rank(config: C): number;
  /**
   * Returns what an adapter does besides adding B A to weights, as the end of a sentence that starts with the adapter's
   * name. Null if it does nothing else.
   */
  besides(config: C): string | null;
  /** Returns the configuration of an adapter that only adds B A, with this rank and scaling 1 on all layers. */
  plain(config: C, rank: number): C;
}

/** Describes methods with one tensor of factors per layer, such as (IA)³. `addWeightedAdapter` sums these tensors. */
export interface FactorForm {
  readonly kind: "factors";
  /** The tensor's name in files, without the layer's path. */
  readonly key: string;
  /**
   * Configuration fields that select layers. In the combined adapter, each field is the union of the values in the
   * source adapters.
   */
  readonly targets: readonly string[];
}

/** File names and configuration layout of adapter folders that differ from PEFT's. */
export interface AdapterLayout<C extends PeftConfig> {
  /** Name of the safetensors file. The configuration is always adapter_config.json. */
  readonly weights: string;
  /** Name of the weights file that `torch.save` writes. */
  readonly pickle: string;
  /**
   * A file in the folder that Lowrank does not read, and a description of its contents. The user gets a warning if it
   * exists.
   */
  readonly unread?: { readonly file: string; readonly holds: string };
  /** Returns the text of adapter_config.json. */
  configJson(config: C): string;
  /**
   * Parses an adapter_config.json in this layout. Returns its fields under PEFT's names, with `peft_type`. Returns null
   * if the file has another layout.
   */
  readConfig(json: unknown, label: string): Record<string, unknown> | null;
}
