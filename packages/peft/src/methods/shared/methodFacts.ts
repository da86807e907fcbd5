import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { ConfigFormat, PeftConfig } from "../../config/peftConfig.ts";
import type { MethodOption } from "./methodOption.ts";
import type { Recipe } from "./recipe.ts";

/** Floating-point dtypes. */
export type FloatDType = "f32" | "f16" | "bf16";

/**
 * Properties that describe a method. Generic code reads them and never checks the method's name or the class of its
 * configuration. Most are optional; the defaults suit a simple method.
 */
export interface MethodFacts<C extends PeftConfig> {
  /** PEFT's name: "LORA". */
  readonly peftType: string;
  /**
   * Options that give sizes of saved tensors, or patterns of sizes. A file with such sizes contains at least that many
   * elements. Default: `r` and `rankPattern`.
   */
  readonly sizes?: readonly string[];
  readonly Config: new (options: never) => C;
  /** The file format of the configuration. */
  readonly format: ConfigFormat;
  /** Named presets for commands and reports. Default: one preset with the configuration's defaults. */
  readonly recipes?: readonly Recipe<C>[];
  /**
   * Configuration fields with a command-line flag. Defaults: targets for layer methods, virtual tokens for prompt
   * methods, and modules to save.
   */
  readonly options?: readonly MethodOption[];
  /** True if the configuration lacks a task type. */
  readonly taskless?: true;
  /**
   * Returns a configuration with `steps` as its number of training steps, if it depends on the number and does not set
   * it.
   */
  withSteps?(config: C, steps: number): C;
  /** True if task heads (a classifier for "SEQ_CLS") train and are saved with the adapter. Default: true. */
  readonly trainsHeads?: boolean;
  /**
   * True if `fanInFanOut` is derived from the layout of the weights. Default: false, the field keeps its given value.
   */
  readonly setsFanInFanOut?: boolean;
  /**
   * True if PEFT keeps the trained tensors in the base model's dtype; planned files then use it too. Default: false,
   * they are f32.
   */
  readonly followsBaseDtype?: boolean;
  /** Returns true if the layers can run on factors in half precision (`LayerContext.dtypeOf`). Default: false. */
  keepsHalfPrecision?(config: C): boolean;
  /**
   * Returns how many constant elements of a layer PEFT counts as trainable, for a base model of this dtype. Default: 0.
   */
  countedConstants?(dtype: FloatDType): number;
  /** Differences that `hotswapAdapter` allows. Default: only the common fields. */
  readonly swappable?: Swappable<C>;
  /** Returns the initialisation that overwrites base weights. Null, the default, if there is none. */
  startsFromWeights?(config: C): WeightStart<C> | null;
  /** Removes such an initialisation, so that the adapter fits the original weights. Default: not supported. */
  readonly subtractsStart?: StartSubtraction<C>;
  /** Returns the initialisation that reads training data (`startFromData`). Null, the default, if there is none. */
  startsFromData?(config: C): DataStart<C> | null;
  /** True if `createLoraPlusOptimizer` can train its B with a higher learning rate than its A. Default: false. */
  readonly loraPlus?: boolean;
  /** The form in which `addWeightedAdapter` combines adapters. Default: not supported. */
  readonly combines?: ProductForm<C> | FactorForm;
  /** The file layout of the adapters' folders. Default: PEFT's. */
  readonly layout?: AdapterLayout<C>;
}

/** The differences allowed between an adapter and the one that replaces it. */
export interface Swappable<C extends PeftConfig> {
  /**
   * Configuration fields that may differ, in camelCase. Each must take effect through the tensors or a layer's
   * `scaling`, or only at initialisation. The base model's name, the task and the targets may differ for every method.
   */
  readonly fields: readonly string[];
  /**
   * Allows layers to have another rank, or to be missing; such layers are created again. Default: all tensors must fit.
   */
  readonly anyRank?: AnyRank<C>;
}

/** Matches the layers of two adapters with different ranks. */
export interface AnyRank<C extends PeftConfig> {
  /**
   * Returns the layer's part of a key in the file: the key without the tensor's name. Null if the tensor does not
   * belong to a layer.
   */
  layerOf(key: string): string | null;
  /** Fields that keep the old adapter's values, since they determine which tensors exist. */
  readonly keeps: readonly string[];
  /**
   * Returns true if a layer's tensor may be missing in the new adapter's file; it then becomes zero. `config` is the
   * new adapter's. `absent` is true if the file has no tensor of the layer.
   */
  mayLack(key: string, config: C, absent: boolean): boolean;
}

/** An initialisation that permanently overwrites base weights. */
export interface WeightStart<C extends PeftConfig> {
  /** The initialisation's name in messages: "pissa". */
  readonly name: string;
  /** The configuration for adding such an adapter to base weights that are already overwritten. */
  readonly onSetWeights: C;
}

/** The batch inputs that a data-driven initialisation reads, in addition to the model's: [B, T] each. */
export interface DataBatch {
  inputIds: Tensor;
  /** 0 at padding, whose inputs are ignored. Default: no padding. */
  attentionMask?: Tensor | null;
  /** Tokens with a masked label may be ignored too. */
  labels?: Tensor | null;
}

/** A layer of an adapter whose initialisation reads data. */
export interface MeasuredLayer {
  readonly base: UnaryModule;
  /** The tensors that the adapter trains on this layer, by key after the layer's path. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** An initialisation from the layers' inputs on training data. */
export interface DataStart<C extends PeftConfig> {
  /** The initialisation's name in messages: "eva". */
  readonly name: string;
  /** Starts a measurement of the layers, keyed by path. Throws if they were already trained. */
  measure(layers: ReadonlyMap<string, MeasuredLayer>): Promise<DataMeasurement<C>>;
}

/** A measurement for such an initialisation, fed batch by batch. */
export interface DataMeasurement<C extends PeftConfig> extends Disposable {
  /** The paths of the layers whose inputs on the next batch it needs. */
  readonly watched: readonly string[];
  /** Adds the inputs [..., features] of these layers on one batch. */
  add(inputs: ReadonlyMap<string, Tensor>, batch: DataBatch): Promise<void>;
  /**
   * Returns the configuration with which to create the adapter on `targets` again, and values of its tensors, by path
   * and key.
   */
  result(targets: readonly string[]): Promise<{ config: C; values: ReadonlyMap<string, Float32Array> }>;
}

/**
 * Converts the difference between an adapter and its initial values into an adapter of the same method, with a larger
 * rank.
 */
export interface StartSubtraction<C extends PeftConfig> {
  /**
   * Returns why this is impossible, as the end of a sentence that starts with the adapter's name; null if it is
   * possible.
   */
  refusal(config: C): string | null;
  /** Fields that must be equal in the adapter and in its initial state. */
  readonly sameFields: readonly string[];
  /**
   * Returns the dimension along which the initial tensor is concatenated to the trained one, and its sign. Null for
   * tensors without a rank dimension.
   */
  joins(key: string): { dim: number; sign: 1 | -1 } | null;
  /** Returns the configuration of the result. */
  joined(config: C): C;
}

/** Layers that add scaling * B A to the base layer's output. */
export interface ProductForm<C extends PeftConfig> {
  readonly kind: "products";
  /** The names of A [rank, in] and B [out, rank] in files, after a layer's path. Each layer has one of these pairs. */
  readonly factors: readonly { readonly a: string; readonly b: string }[];
  /** The scaling of B A on the layer at `path`. */
  scaling(config: C, path: string): number;
  /** The largest rank of any layer. */
  rank(config: C): number;
  /**
   * Returns what else an adapter does, as the end of a sentence that starts with its name; null if it only adds
   * products.
   */
  besides(config: C): string | null;
  /** Returns the configuration of plain products with this rank and scaling 1 on all layers. */
  plain(config: C, rank: number): C;
}

/** Layers with one tensor of factors. Their weighted sum combines several adapters. */
export interface FactorForm {
  readonly kind: "factors";
  /** The tensor's name in files, after a layer's path. */
  readonly key: string;
  /** Fields that choose layers. The combined adapter has the union of their values. */
  readonly targets: readonly string[];
}

/** A layout of adapter folders other than PEFT's. */
export interface AdapterLayout<C extends PeftConfig> {
  /** File name of the weights. The configuration is always adapter_config.json. */
  readonly weights: string;
  /** File name of weights written by `torch.save`. */
  readonly pickle: string;
  /** A file that is ignored if present, and what it contains. The user gets a warning. */
  readonly unread?: { readonly file: string; readonly holds: string };
  /** Returns the text of adapter_config.json. */
  configJson(config: C): string;
  /**
   * Returns the fields of such a configuration under PEFT's names, with `peft_type`. Null if the file has another
   * layout.
   */
  readConfig(json: unknown, label: string): Record<string, unknown> | null;
}
