import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { ConfigFormat, PeftConfig } from "../../config/peftConfig.ts";
import type { MethodOption } from "./methodOption.ts";
import type { Recipe } from "./recipe.ts";

/** The dtypes that store floating-point numbers. */
export type FloatDType = "f32" | "f16" | "bf16";

/**
 * The facts of a method. Generic code asks them; it goes neither by the method's name nor by the
 * class of its configuration. All but the first three may be left out. Their defaults are right for
 * a method that says nothing more.
 */
export interface MethodFacts<C extends PeftConfig> {
  /** PEFT's name: "LORA". */
  readonly peftType: string;
  /**
   * The options that are sizes of saved tensors, or patterns of them: a file holds at least as many
   * numbers as each says. Default: `r` and `rankPattern`.
   */
  readonly sizes?: readonly string[];
  readonly Config: new (options: never) => C;
  /** The form of its configuration in files. */
  readonly format: ConfigFormat;
  /**
   * The ways of setting it up that commands and reports know by name. Default: one, of the
   * configuration's defaults.
   */
  readonly recipes?: readonly Recipe<C>[];
  /**
   * The fields that have a flag on the command line. Default: targets, or virtual tokens, and
   * modules to save.
   */
  readonly options?: readonly MethodOption[];
  /** Its configuration has no place for a task. */
  readonly taskless?: true;
  /**
   * Gives a configuration that plans by the steps of a training, and does not say them, so many
   * steps.
   */
  withSteps?(config: C, steps: number): C;
  /** Task heads (a classifier, for "SEQ_CLS") train and are saved beside it. Default true. */
  readonly trainsHeads?: boolean;
  /**
   * Its `fanInFanOut` follows from how the weights lie. Default false: a field of that name stays
   * as it was given.
   */
  readonly setsFanInFanOut?: boolean;
  /**
   * PEFT keeps what it trains in the base model's dtype; planned files do so too. Default false: it
   * is f32.
   */
  readonly followsBaseDtype?: boolean;
  /**
   * Returns true if its layers can run on factors in half precision (`LayerContext.dtypeOf`).
   * Default: they cannot.
   */
  keepsHalfPrecision?(config: C): boolean;
  /**
   * Returns the number of constants of a layer that PEFT counts among what trains, for a base model
   * of this dtype. Default: none.
   */
  countedConstants?(dtype: FloatDType): number;
  /**
   * The differences that a hot swap allows (`hotswapAdapter`). Default: those that every method
   * allows.
   */
  readonly swappable?: Swappable<C>;
  /** Returns the start that sets base weights anew; null, the default, if they stay as they are. */
  startsFromWeights?(config: C): WeightStart<C> | null;
  /**
   * Takes such a start off again, so that the adapter fits the weights as they were. Default: it
   * cannot be.
   */
  readonly subtractsStart?: StartSubtraction<C>;
  /** Returns the start that reads training data (`startFromData`); null, the default, for none. */
  startsFromData?(config: C): DataStart<C> | null;
  /** `createLoraPlusOptimizer` lets its B learn faster than its A. Default false: it has none. */
  readonly loraPlus?: boolean;
  /** The form in which adapters add up (`addWeightedAdapter`). Default: they do not. */
  readonly combines?: ProductForm<C> | FactorForm;
  /** The layout of its adapters' folders. Default: PEFT's. */
  readonly layout?: AdapterLayout<C>;
}

/** The differences that are allowed between an adapter and the one that takes its place. */
export interface Swappable<C extends PeftConfig> {
  /**
   * Fields of the configuration that may differ, in camelCase. Their effect must lie in the tensors
   * or in a layer's `scaling`, or be over once the adapter has started. The base model's name, the
   * task and the targets may differ for every method.
   */
  readonly fields: readonly string[];
  /**
   * Layers may have another rank, or be missing: such layers are made anew. Default: all tensors
   * must fit.
   */
  readonly anyRank?: AnyRank<C>;
}

/** Matches the layers of two adapters whose ranks differ. */
export interface AnyRank<C extends PeftConfig> {
  /**
   * Returns the layer of a key in the file: the part before the tensor's own name. Null for a
   * tensor that is not of a layer.
   */
  layerOf(key: string): string | null;
  /** Fields that stay as they are in the adapter, since they say which tensors there are. */
  readonly keeps: readonly string[];
  /**
   * Returns true if a tensor of a layer may be missing in the new adapter's file; it becomes zero.
   * `config` is the new adapter's. `absent` is true if the file has nothing of the layer.
   */
  mayLack(key: string, config: C, absent: boolean): boolean;
}

/** A start that sets base weights anew, for good. */
export interface WeightStart<C extends PeftConfig> {
  /** The start's name in messages: "pissa". */
  readonly name: string;
  /** The configuration with which such an adapter is put on base weights that are set already. */
  readonly onSetWeights: C;
}

/** The inputs of a batch that a start by data reads, beside those of the model: [B, T] each. */
export interface DataBatch {
  inputIds: Tensor;
  /** Padding, whose inputs do not count, is 0. */
  attentionMask?: Tensor | null;
  /** Tokens whose label is masked may not count either. */
  labels?: Tensor | null;
}

/** A layer of an adapter that starts by data. */
export interface MeasuredLayer {
  readonly base: UnaryModule;
  /** The tensors that the adapter trains there, by key behind the layer's path. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A start that goes by the inputs of the adapter's layers on training data. */
export interface DataStart<C extends PeftConfig> {
  /** The start's name in messages: "eva". */
  readonly name: string;
  /** Begins, with the layers by path. Throws if they were trained. */
  measure(layers: ReadonlyMap<string, MeasuredLayer>): Promise<DataMeasurement<C>>;
}

/** The measurement of such a start, batch by batch. */
export interface DataMeasurement<C extends PeftConfig> extends Disposable {
  /** The paths of the layers whose inputs on the next batch it takes. */
  readonly watched: readonly string[];
  /** Takes the inputs [..., features] of these layers on a batch. */
  add(inputs: ReadonlyMap<string, Tensor>, batch: DataBatch): Promise<void>;
  /**
   * Returns the configuration with which the adapter on `targets` is made anew, and values of its
   * tensors, by path and key.
   */
  result(targets: readonly string[]): Promise<{ config: C; values: ReadonlyMap<string, Float32Array> }>;
}

/** Turns an adapter less its start into an adapter of the same method, of a larger rank. */
export interface StartSubtraction<C extends PeftConfig> {
  /**
   * Returns the obstacle, as the end of a sentence that starts with the adapter's
   * name; null if there is none.
   */
  refusal(config: C): string | null;
  /** Fields that must be the same in the adapter and in its start. */
  readonly sameFields: readonly string[];
  /**
   * Returns the dimension along which the start's tensor follows the trained one, and its sign;
   * null for tensors without a rank.
   */
  joins(key: string): { dim: number; sign: 1 | -1 } | null;
  /** Returns the configuration of the result. */
  joined(config: C): C;
}

/** Layers that add scaling * B A to the base layer's output. */
export interface ProductForm<C extends PeftConfig> {
  readonly kind: "products";
  /**
   * The names of A [rank, in] and B [out, rank] in files, behind a layer's path; a layer has one of
   * these pairs.
   */
  readonly factors: readonly { readonly a: string; readonly b: string }[];
  /** The factor of B A on the layer at `path`. */
  scaling(config: C, path: string): number;
  /** The largest rank of any layer. */
  rank(config: C): number;
  /**
   * Names what else an adapter does, as the end of a sentence that starts with its name; null if it
   * does nothing else.
   */
  besides(config: C): string | null;
  /** The configuration of plain products of this rank on all layers, whose scaling is 1. */
  plain(config: C, rank: number): C;
}

/** Layers with one tensor of factors, whose weighted sum stands for several adapters. */
export interface FactorForm {
  readonly kind: "factors";
  /** The tensor's name in files, behind a layer's path. */
  readonly key: string;
  /** Fields that choose layers, which are united. */
  readonly targets: readonly string[];
}

/** A layout of adapter folders that is not PEFT's. */
export interface AdapterLayout<C extends PeftConfig> {
  /** The name of the weights. The configuration's is adapter_config.json. */
  readonly weights: string;
  /** The name of weights that torch.save wrote. */
  readonly pickle: string;
  /** A file that may lie beside and is not read, and what it holds: a warning says so. */
  readonly unread?: { readonly file: string; readonly holds: string };
  /** The text of adapter_config.json. */
  configJson(config: C): string;
  /**
   * Returns the fields of such a file as PEFT would have them, with `peft_type`; null for a file of
   * another layout.
   */
  readConfig(json: unknown, label: string): Record<string, unknown> | null;
}
