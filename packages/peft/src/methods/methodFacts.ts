import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import type { ConfigFormat, PeftConfig } from "../config/peftConfig.ts";
import type { MethodOption } from "./methodOption.ts";
import type { Recipe } from "./recipe.ts";

/** How floating-point numbers are stored. */
export type FloatDType = "f32" | "f16" | "bf16";

/**
 * What a method says of itself, for generic code to ask: nothing outside of its files goes by its name or by the class of its
 * configuration. All but the first three may be left out; the defaults are right for a method that says nothing more.
 */
export interface MethodFacts<C extends PeftConfig> {
  /** PEFT's name: "LORA". */
  readonly peftType: string;
  readonly Config: new (options: never) => C;
  /** How its configuration is read and written. */
  readonly format: ConfigFormat;
  /** The ways of setting it up that commands and reports know by name. Default: one, of the configuration's defaults. */
  readonly recipes?: readonly Recipe<C>[];
  /** The fields that have a flag on the command line. Default: targets, or virtual tokens, and modules to save. */
  readonly options?: readonly MethodOption[];
  /** Its configuration has no place for a task. */
  readonly taskless?: true;
  /** Gives a configuration that plans by the steps of a training, and does not say them, so many steps. */
  withSteps?(config: C, steps: number): C;
  /** Task heads (a classifier, for "SEQ_CLS") train and are saved beside it. Default true. */
  readonly trainsHeads?: boolean;
  /** Its `fanInFanOut` follows from how the weights lie. Default false: a field of that name stays as it was given. */
  readonly setsFanInFanOut?: boolean;
  /** What it trains has the base model's dtype in PEFT, and so in planned files. Default false: it is f32. */
  readonly followsBaseDtype?: boolean;
  /** How many constants of each layer PEFT counts among what trains, where the base model is stored so. Default: none. */
  countedConstants?(dtype: FloatDType): number;
  /** What may change when another adapter takes the place of one (`hotswapAdapter`). Default: what every method allows. */
  readonly swappable?: Swappable<C>;
  /** The start of an adapter that sets base weights anew; null, the default, where they stay as they are. */
  startsFromWeights?(config: C): WeightStart<C> | null;
  /** How such a start is taken off again, so that the adapter fits the weights as they were. Default: it cannot be. */
  readonly subtractsStart?: StartSubtraction<C>;
  /** The start of an adapter by what its layers see of training data (`startFromData`); null, the default, without one. */
  startsFromData?(config: C): DataStart<C> | null;
  /** `createLoraPlusOptimizer` lets its B learn faster than its A. Default false: it has none. */
  readonly loraPlus?: boolean;
  /** How adapters add up (`addWeightedAdapter`). Default: they do not. */
  readonly combines?: ProductForm<C> | FactorForm;
  /** How its adapters lie in folders. Default: as PEFT's do. */
  readonly layout?: AdapterLayout<C>;
}

/** What may differ between an adapter and another of its method that takes its place. */
export interface Swappable<C extends PeftConfig> {
  /**
   * Fields of the configuration, in camelCase. What they say shows in the tensors or in a layer's `scaling`, or is past once
   * the adapter has started. Names of the base model, the task and the choice of targets may differ for every method.
   */
  readonly fields: readonly string[];
  /** Layers may have another rank, or be missing: such layers are made anew. Default: all tensors must fit. */
  readonly anyRank?: AnyRank<C>;
}

/** How the layers of two adapters are matched whose ranks differ. */
export interface AnyRank<C extends PeftConfig> {
  /** The layer that a key of the file belongs to: what stands before the tensor's own name. Null for all that is not of a layer. */
  layerOf(key: string): string | null;
  /** Fields that stay as they are in the adapter, since they say which tensors there are. */
  readonly keeps: readonly string[];
  /**
   * True where a tensor of a layer becomes zero if the new adapter's file lacks it. `config` is the new adapter's, `absent` says
   * that its file has nothing of the layer.
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

/** A batch of token ids [B, T], as a start by data must know it beside what the model's forward takes. */
export interface DataBatch {
  inputIds: Tensor;
  /** Padding, whose inputs do not count, is 0. */
  attentionMask?: Tensor | null;
  /** Tokens whose label is masked may not count either. */
  labels?: Tensor | null;
}

/** A layer of an adapter that is to start by data. */
export interface MeasuredLayer {
  readonly base: UnaryModule;
  /** What the adapter trains there, by key behind the layer's path. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A start by what an adapter's layers see of training data. */
export interface DataStart<C extends PeftConfig> {
  /** The start's name in messages: "eva". */
  readonly name: string;
  /** Begins, for layers by their path. Throws where they were trained. */
  measure(layers: ReadonlyMap<string, MeasuredLayer>): Promise<DataMeasurement<C>>;
}

/** What such a start gathers, batch by batch. */
export interface DataMeasurement<C extends PeftConfig> extends Disposable {
  /** The paths of the layers whose inputs on the next batch it takes. */
  readonly watched: readonly string[];
  /** Takes the inputs [..., features] of these layers on a batch. */
  add(inputs: ReadonlyMap<string, Tensor>, batch: DataBatch): Promise<void>;
  /** The configuration with which the adapter on `targets` is made anew, and values of its tensors, by path and key. */
  result(targets: readonly string[]): Promise<{ config: C; values: ReadonlyMap<string, Float32Array> }>;
}

/** How an adapter less its start is an adapter of the same method, of a larger rank. */
export interface StartSubtraction<C extends PeftConfig> {
  /** What stands in the way of it, as the end of a sentence that starts with the adapter's name; null for nothing. */
  refusal(config: C): string | null;
  /** Fields that must be the same in the adapter and in its start. */
  readonly sameFields: readonly string[];
  /** Where the start's tensor is put behind the trained one, and its sign there; null for tensors without a rank. */
  joins(key: string): { dim: number; sign: 1 | -1 } | null;
  /** The configuration of the result. */
  joined(config: C): C;
}

/** Layers that add scaling * B A to what the base layer gives. */
export interface ProductForm<C extends PeftConfig> {
  readonly kind: "products";
  /** The names of A [rank, in] and B [out, rank] in files, behind a layer's path; a layer has one of these pairs. */
  readonly factors: readonly { readonly a: string; readonly b: string }[];
  /** The factor of B A on the layer at `path`. */
  scaling(config: C, path: string): number;
  /** The largest rank of any layer. */
  rank(config: C): number;
  /** What an adapter does besides, as the end of a sentence that starts with its name; null for nothing. */
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

/** How adapters lie in folders that are not PEFT's. */
export interface AdapterLayout<C extends PeftConfig> {
  /** The name of the weights. The configuration's is adapter_config.json. */
  readonly weights: string;
  /** The name of weights that torch.save wrote. */
  readonly pickle: string;
  /** A file that may lie beside and is not read, and what it holds: a warning says so. */
  readonly unread?: { readonly file: string; readonly holds: string };
  /** The text of adapter_config.json. */
  configJson(config: C): string;
  /** The fields of such a file as PEFT would have them, with `peft_type`; null for a file of another layout. */
  readConfig(json: unknown, label: string): Record<string, unknown> | null;
}
