import type { QuantizeOptions } from "@lowrank/nn";
import type { FloatDType, PeftConfig, PlannedOptimizer, Warning } from "@lowrank/peft";

/** A type of 4-bit weights. */
export type QuantizationType = NonNullable<QuantizeOptions["quantType"]>;

/** Costs of one method with one rank, targets and quantisation. Sizes are in bytes. */
export interface MethodRow {
  /** The method's name in tables: "LoRA". */
  readonly name: string;
  /** The method's `peft_type`; null if the whole model is trained. */
  readonly peftType: string | null;
  /** Fields of the configuration that differ from the method's defaults: "r=16 targetModules=all-linear". */
  readonly settings: string;
  /** The rank; null for methods without one. */
  readonly rank: number | null;
  /** Type of the base model's 4-bit weights; null if they are not quantised. */
  readonly quantization: QuantizationType | null;
  /** The configuration's target modules; absent if the method has none, or has its own defaults. */
  readonly targets?: NonNullable<Targets>;
  /** Number of trainable parameters. */
  readonly trainable: number;
  /** Number of parameters of base model and adapter together. */
  readonly total: number;
  /** 100 * trainable / total. */
  readonly percent: number;
  /** Size of adapter_model.safetensors, or of all weights if the whole model is trained. */
  readonly bytesSaved: number;
  /** Memory of the trained parameters. */
  readonly bytesTrained: number;
  /** Memory that the optimiser keeps between steps. */
  readonly optimizerBytes: number;
  /** Memory of the gradients of all trained parameters. */
  readonly gradientBytes: number;
  /**
   * Peak memory of a training step's temporary tensors and of tensors that are kept for the backward pass. Null if the
   * model lacks a loss.
   */
  readonly activationBytes: number | null;
  /** Memory of the base model's weights. */
  readonly baseBytes: number;
  /**
   * Peak memory of a training step: base model, adapter, optimiser, gradients and activations. Less than the sum of
   * these, since gradients and activations are seldom large at the same time. Null if the model lacks a loss.
   */
  readonly trainingBytes: number | null;
  /**
   * Floating-point operations that an unmerged adapter adds for each token. For your own module, for each row of its
   * input. Null if the model cannot be run.
   */
  readonly flopsPerToken: number | null;
  /** The base model's floating-point operations for each token; null if the model cannot be run. */
  readonly baseFlopsPerToken: number | null;
  /** Number of parameters that an unmerged adapter needs in addition to the base model's. */
  readonly inferenceParameters: number;
  /** True if the adapter can be merged into the weights, so that inference is as fast as with the base model. */
  readonly mergeable: boolean;
  /** True if `trainingBytes` is at most the memory budget; null without a budget or without `trainingBytes`. */
  readonly fits: boolean | null;
  /** Warnings about the adapter, for example about targets that match nothing. */
  readonly warnings: readonly Warning[];
  /** Result of training and evaluation, if these were run. */
  readonly quality?: Quality;
  /**
   * True if no other row has a better quality with at most as many trainable parameters, or an equal quality with
   * fewer. Absent without `quality`.
   */
  readonly paretoOptimal?: boolean;
}

/** A metric of trained models: its mean and its sample standard deviation over seeds. */
export interface Quality {
  /** Name of the metric: "exact match". */
  readonly metric: string;
  /** Mean of the metric over seeds. */
  readonly mean: number;
  /** 0 for a single run. */
  readonly deviation: number;
  /** True for metrics such as accuracy, false for losses. */
  readonly higherIsBetter: boolean;
}

/** A method that does not fit the model or the settings, with the reason. */
export interface FailedMethod {
  /** The method's name in tables. */
  readonly name: string;
  /** The rank; null for methods without one. */
  readonly rank: number | null;
  /** Type of the base model's 4-bit weights; null if they are not quantised. */
  readonly quantization: QuantizationType | null;
  /** The configuration's target modules; absent if the method has none, or has its own defaults. */
  readonly targets?: NonNullable<Targets>;
  /** The error's message. */
  readonly why: string;
  /** The error's `code`, such as "invalid_option", if it has one. */
  readonly code?: string;
}

/** Costs of methods on one model, as `compareMethods` returns them. */
export interface MethodComparison {
  /** Name of the model. */
  readonly source: string;
  /** `model_type` of its config. For a custom module, the name of its class. */
  readonly modelType: string;
  /** Number of parameters of the base model. */
  readonly baseParameters: number;
  /** Dtype of the base model's weights that are not quantised. */
  readonly dtype: FloatDType;
  /** Optimiser whose state is counted. */
  readonly optimizer: PlannedOptimizer;
  /** Sequences in a batch of the planned training step. For your own module, rows of its input. */
  readonly batchSize: number;
  /**
   * Tokens in a sequence, for which operations and activations are counted. 1 for your own module, and 0 if the
   * model cannot be run.
   */
  readonly sequenceLength: number;
  /** Memory budget in bytes, against which `fits` is computed; null for none. */
  readonly memory: number | null;
  /** Settings of methods that were given by name; null if none was. A method's own settings may differ. */
  readonly settings: SharedSettings | null;
  /** Methods that fit the model, in the given order; each with each rank, targets and quantisation. */
  readonly rows: readonly MethodRow[];
  /** Methods without a row, and why. */
  readonly failed: readonly FailedMethod[];
}

/** Settings from which the configurations of named methods are made. */
export interface SharedSettings {
  /** Ranks; [8] by default. */
  readonly ranks: readonly number[];
  /** Target modules; ["all-linear"] by default. */
  readonly targets: readonly Targets[];
  /** Virtual tokens of prompt methods; 20 by default. */
  readonly virtualTokens: number;
}

/** Target modules: a list of names, "all-linear" or a regular expression. Null: the method's default for the model. */
export type Targets = string | readonly string[] | null;

/** Quantisation of the base model: a type, or all options of `quantize`. Null for none. */
export type ComparedQuantization = QuantizationType | QuantizeOptions | null;

/**
 * A method to compare:
 *
 * - a configuration, or null for full fine-tuning;
 * - the name of a recipe: "lora", "qlora", "dora", "full", and the others that `lowrank report --help` lists;
 * - a function that returns the configuration for a rank;
 * - an object with one of these as `config`, a name for tables, and a quantisation for this method alone.
 */
export type ComparedMethod = ComparedConfig | NamedMethod;

/** A configuration, the name of a recipe, or a function of the rank. Null for full fine-tuning. */
export type ComparedConfig = PeftConfig | string | null | ((rank: number) => PeftConfig | null);

/** A method with its own name or quantisation. */
export interface NamedMethod {
  /** Name in tables. Default: the recipe's or the method's title. */
  readonly name?: string;
  /** The method. */
  readonly config: ComparedConfig;
  /** Default: the option `quantization` of `compareMethods`; for recipes such as "qlora" their own. */
  readonly quantization?: ComparedQuantization;
}
