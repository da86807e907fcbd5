import type { Backend, Generator, Tensor } from "@lowrank/core";
import type { Embedding, LayerKind, Module, Parameter, UnaryModule, VirtualTokens } from "@lowrank/nn";
import type { Invocation } from "@lowrank/nn/internal";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { PromptLearningConfig, ResolvedPromptConfig } from "../../config/promptLearningConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import type { PromptEncoder } from "../../prompt/promptEncoder.ts";
import type { FileForm } from "./fileForm.ts";
import type { FloatDType, MethodFacts } from "./methodFacts.ts";
import type { ParameterPlan, PlannedLayer } from "./parameterMethod.ts";

/** Code that runs around a model's forward pass while an adapter is active. */
export interface ForwardHook {
  /** Names of other adapters that are trained together with this one. */
  readonly trains: readonly string[];
  /** Changes the model's forward pass. Called when the adapter becomes active. */
  attach(model: Module): void;
  /** Restores the model's forward pass. */
  detach(model: Module): void;
  /** Like `attach`, for batches whose rows use different adapters. `hooks` has the hook of each row's adapter. */
  attachRows?(model: Module, hooks: readonly (ForwardHook | undefined)[]): void;
  /** See `Invocation`. Absent if the adapter acts on all tokens. */
  start?: Invocation["start"];
  /** Frees the tensors that the object keeps. */
  dispose(): void;
}

/** Tensors that all layers of one adapter share. They are created with the adapter and freed with it. */
export interface SharedTensors {
  /**
   * The trained tensors, always f32. The key is the tensor's name in the file after "base_model.":
   * "vblora_vector_bank".
   */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Tensors that are not trained, by name. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** True if adapter files contain `buffers`. */
  readonly savesBuffers?: boolean;
  /** Code that runs around the model's forward pass. Default: none. */
  readonly hook?: ForwardHook;
  /** Modules that draw random values in training, by name. Checkpoints contain their generators. Default: none. */
  readonly modules?: Readonly<Record<string, Module>>;
  /** The paths of the adapter's layers in the order of the model. Absent if no layer reads it. */
  readonly order?: readonly string[];
  /** The hidden size of the model. Absent if no layer reads it. */
  readonly width?: number;
  /** Names in the model for the tensors of `parameters` that have another name in the adapter file. */
  readonly paths?: Readonly<Record<string, string>>;
  /** The tensors of `parameters` that keep their values in training. */
  readonly frozen?: readonly Parameter[];
}

/** Values that a method receives to create its adapter for one layer. */
export interface LayerContext<C extends PeftConfig> {
  /**
   * The layer to adapt. If the backend's `dataless` is true, tensors have shapes but no values. The method then cannot
   * compute tensors from the layer's values; tensors of the right shape are enough.
   */
  base: UnaryModule;
  kind: LayerKind;
  /** The layer's path in the base model. */
  path: string;
  /** The configuration, with `targetModules` resolved to full module paths. */
  config: C;
  /** The model's backend, on which the method creates its tensors. */
  backend: Backend;
  /** The source of random initial values. */
  generator: Generator;
  /** True if the adapter's values will be read from a file. The method can then skip random initial values. */
  loading: boolean;
  /**
   * Returns the dtype in which to store the tensor `key`: f32, unless a loaded file stores it in half precision and the
   * method supports that (`keepsHalfPrecision`).
   */
  dtypeOf(key: string): FloatDType;
  /**
   * Returns the shape of the tensor `key` in the file from which the adapter is loaded. Undefined for a new adapter,
   * and if the file lacks the tensor.
   */
  shapeOf(key: string): readonly number[] | undefined;
  /** Reports a warning about the layer to the user. */
  warn(warning: Warning): void;
  /** Returns the adapters that the layer has at the time of the call, by name, including this one once it is added. */
  adapters(): ReadonlyMap<string, LayerAdapter>;
  /** The tensors that the method's `createShared` created for all layers of this adapter. */
  shared: SharedTensors;
  /** The input embedding and its adapter, if this layer has the same weight and shares the adapter (`tiesLayers`). */
  tiedTo?: PlannedLayer;
}

/** Values that a method receives to create the tensors that its layers share. */
export interface SharedContext<C extends PeftConfig>
  extends Pick<LayerContext<C>, "backend" | "config" | "generator" | "loading"> {
  layers: readonly Pick<LayerContext<C>, "base" | "kind" | "path">[];
  /** The model, of which `layers` are a part. */
  model: Module;
}

/** Changes what the layers of an adapter train, during training: their ranks (AdaLoRA) or their clusters (AdaMSS). */
export interface Allocator<C extends PeftConfig> {
  /**
   * Changes the layers after optimiser step `step` (counted from 0), while gradients still exist. Returns the new
   * configuration.
   */
  update(config: C, step: number): Promise<C>;
  /** Returns the tensors to save in a training checkpoint, by name. The caller frees them. */
  state(config: C): Map<string, Tensor>;
  /** Restores the tensors that `state` returned. Returns the configuration as it was when `state` was called. */
  setState(config: C, state: ReadonlyMap<string, Tensor>): Promise<C>;
  dispose(): void;
}

/** A method that adapts individual layers. Describes its configuration, and creates the adapter of each layer. */
export interface PeftMethod<C extends PeftConfig = PeftConfig> extends MethodFacts<C> {
  /** The kinds of layers that the method can adapt, the most common kind first. */
  readonly kinds: readonly LayerKind[];
  /** Default targets by `model_type`, used if the configuration names none. */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /** The targets for models that `defaultTargets` lacks. Default: the model's own default targets. */
  readonly otherTargets?: "all-linear";
  /** Returns which biases of the base model are also trained: none, all, or those in adapted layers. Default: none. */
  bias?(config: C): "none" | "all" | "layers";
  /**
   * Returns the ids of tokens whose embeddings are also trained. An array applies to the input embedding; an object
   * gives an array for each module name. Null if no token embeddings are trained.
   */
  trainableTokens?(config: C): readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /**
   * Returns the options that map module names to values, such as `rankPattern`. Keys that match no adapted layer cause
   * a warning.
   */
  patterns?(config: C): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Loads the code for single parameters; null if the configuration names none. Default: no parameters. */
  parameters?(config: C): Promise<ParameterPlan | null>;
  /** Returns the paths of the modules to adapt. Absent for methods that adapt the modules in `targetModules`. */
  targets?(config: C, model: Module): readonly string[];
  /**
   * Sets the configuration fields that depend on the model, and returns the new configuration. Called after
   * `targetModules` was resolved to paths.
   */
  resolve?(config: C, modelType: string | undefined, model: Module): C;
  /** Returns the key in the adapter file for tensor `key` of the layer at `path`. Default: PEFT's key. */
  fileKey?(path: string, key: string, config: C): string;
  /**
   * True if only one adapter can be merged at a time, since merging replaces base parameters instead of adding to them.
   */
  readonly mergesAlone?: true;
  /**
   * True if the method trains rows of embedding tables. Adapter files then do not contain the tables, and layers with
   * the same table share the adapter.
   */
  readonly adaptsRows?: true;
  /** Returns a term that is added to the training loss while the adapter trains. */
  penalty?(config: C, layers: readonly LayerAdapter[]): Tensor;
  /**
   * Creates the object that changes what the layers train during training, such as their ranks. Null if the
   * configuration leaves all as it is. Default: null.
   */
  createAllocator?(layers: ReadonlyMap<string, LayerAdapter>, config: C): Allocator<C> | null;
  /** Returns the compressed encoding in which files store some tensors, or null if they store all tensors unencoded. */
  fileForm?(config: C): FileForm | null;
  /** Returns the tensors to save, by key. Absent if they are exactly the trained tensors. The caller frees them. */
  filed?(config: C, trained: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  /** Creates the tensors that all layers of an adapter share. Called before `createLayer`. */
  createShared?(context: SharedContext<C>): SharedTensors | Promise<SharedTensors>;
  /** Creates the adapter of one layer. Returns a promise if the initialisation reads the layer's weights. */
  createLayer(context: LayerContext<C>): LayerAdapter | Promise<LayerAdapter>;
}

/**
 * Returns `method` unchanged. The call lets TypeScript check the method's type. To add a built-in method, write its
 * file and its configuration, and add a line to `methods/index.ts`.
 */
export function definePeftMethod<C extends PeftConfig>(method: PeftMethod<C>): PeftMethod<C> {
  return method;
}

/** Converts a text to token ids, as `Tokenizer` of @lowrank/models does. */
export interface PromptTokenizer {
  encode(text: string): readonly number[];
}

/** Values that a prompt method receives to create its encoder. */
export interface PromptContext<C extends PromptLearningConfig> {
  /** The configuration, with all sizes resolved. */
  config: ResolvedPromptConfig<C>;
  /** The source of random initial values. */
  generator: Generator;
  /** The model's token embeddings. */
  embeddings: Embedding;
  tokenizer?: PromptTokenizer;
  /** The tensors of the method's `startFile` in f32, by name. Absent if it has none. */
  start?: ReadonlyMap<string, Tensor>;
}

/**
 * A method that puts virtual tokens before every sequence. Describes its configuration, and creates the encoder that
 * computes the virtual tokens.
 */
export interface PromptMethod<C extends PromptLearningConfig = PromptLearningConfig> extends MethodFacts<C> {
  /** Position of the virtual tokens: before the token embeddings, or before the keys and values of every layer. */
  readonly kind: VirtualTokens["kind"];
  /**
   * Sets the configuration fields whose defaults depend on other sizes, such as `encoderHiddenSize`, which defaults to
   * `tokenDim`. Returns the new configuration.
   */
  resolve?(config: ResolvedPromptConfig<C>): C;
  /** Returns the number of elements in one virtual token. */
  width(config: ResolvedPromptConfig<C>): number;
  /**
   * Returns true if the virtual tokens in adapter files are the trained parameters themselves, not the output of an
   * encoder. Only then can a loaded adapter train further.
   */
  trainsRows(config: C): boolean;
  /** Returns the path of a weights file with initial values; null if there is none. Default: null. */
  startFile?(config: C): string | null;
  createEncoder(context: PromptContext<C>): PromptEncoder;
  /** Creates the encoder of an adapter whose values will be read from a file. Default: a table of virtual tokens. */
  emptyEncoder?(config: ResolvedPromptConfig<C>): PromptEncoder;
}

/** Returns `method` unchanged. The call lets TypeScript check the method's type. */
export function definePromptMethod<C extends PromptLearningConfig>(method: PromptMethod<C>): PromptMethod<C> {
  return method;
}

/** A method that adapts layers, or a prompt method. */
export type AnyMethod = PeftMethod | PromptMethod;

/**
 * Returns the compressed encoding in which an adapter's files store some tensors, or null if they store all tensors
 * unencoded.
 */
export function fileFormOf(method: AnyMethod, config: PeftConfig): FileForm | null {
  return isPromptMethod(method) ? null : (method.fileForm?.(config) ?? null);
}

/** Returns true if a method puts virtual tokens before sequences. */
export function isPromptMethod(method: AnyMethod): method is PromptMethod {
  return "createEncoder" in method;
}
