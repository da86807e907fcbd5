import type { Backend, Generator, Tensor } from "@lowrank/core";
import type { Embedding, LayerKind, Module, UnaryModule, VirtualTokens } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { PromptLearningConfig, ResolvedPromptConfig } from "../../config/promptLearningConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { SharedTensors } from "../../layers/sharedTensors.ts";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import type { PromptEncoder } from "../../prompt/promptEncoder.ts";
import type { FileForm } from "./fileForm.ts";
import type { FloatDType, MethodFacts } from "./methodFacts.ts";

/** Information about a layer, for the method that adapts it. */
export interface LayerContext<C extends PeftConfig> {
  /**
   * The layer to adapt. On a `dataless` backend its tensors have shapes but no values; tensors derived from its values
   * then only need the right shape.
   */
  base: UnaryModule;
  kind: LayerKind;
  /** The layer's path in the base model. */
  path: string;
  /** The configuration, with targets resolved to full names. */
  config: C;
  /** The model's backend, on which the method creates its tensors. */
  backend: Backend;
  /** The source of random initial values. */
  generator: Generator;
  /** True if values will be read from a file, so that the method can skip random initial values. */
  loading: boolean;
  /**
   * Returns the dtype in which to store the tensor `key`. It is f32, unless the loaded file has half precision to
   * preserve and the method supports it (`keepsHalfPrecision`).
   */
  dtypeOf(key: string): FloatDType;
  /** Reports a warning about the layer to the user. */
  warn(warning: Warning): void;
  /** The tensors that the method's `createShared` made for this adapter. */
  shared: SharedTensors;
}

/** Information about all layers that a method adapts. */
export interface SharedContext<C extends PeftConfig>
  extends Pick<LayerContext<C>, "backend" | "config" | "generator" | "loading"> {
  layers: readonly Pick<LayerContext<C>, "base" | "kind" | "path">[];
}

/** Changes an adapter's layers during its training. */
export interface Allocator<C extends PeftConfig> {
  /**
   * Updates the layers after optimiser step `step`, counted from 0, while the gradients exist. Returns the new
   * configuration.
   */
  update(config: C, step: number): Promise<C>;
  /** Returns the state that it carries from step to step, by name. The caller frees it. */
  state(config: C): Map<string, Tensor>;
  /** Restores a state of `state` and returns the configuration at that step. */
  setState(config: C, state: ReadonlyMap<string, Tensor>): Promise<C>;
  dispose(): void;
}

/** A method that adapts individual layers: its configuration, and the part that it adds to a layer. */
export interface PeftMethod<C extends PeftConfig = PeftConfig> extends MethodFacts<C> {
  /** Supported kinds of layers; the first is the main one. */
  readonly kinds: readonly LayerKind[];
  /** Default targets by `model_type`, used if the configuration names none. */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /** Returns which biases of the base model train too. */
  bias?(config: C): "none" | "all" | "layers";
  /** Returns rows of embeddings that train too: token indices of the input embedding, or indices by module name. */
  trainableTokens?(config: C): readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /** Returns options with values by path suffix, such as `rankPattern`. They are checked against the targets. */
  patterns?(config: C): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Returns the paths of the modules to adapt, if the configuration does not list them as targets. */
  targets?(config: C, model: Module): readonly string[];
  /** Returns the configuration with values derived from the model's type. Called after the targets are resolved. */
  resolve?(config: C, modelType: string | undefined, model: Module): C;
  /** Returns the file key of a tensor on the layer at `path`. Default: PEFT's key. */
  fileKey?(path: string, key: string, config: C): string;
  /** True if only one adapter can be merged at a time, since the adapters replace base layers. */
  readonly mergesAlone?: true;
  /** Returns the term that is added to the loss while the adapter trains. */
  penalty?(config: C, layers: readonly LayerAdapter[]): Tensor;
  /** Creates the allocator that changes layers during training. */
  createAllocator?(layers: ReadonlyMap<string, LayerAdapter>): Allocator<C>;
  /** Returns the compressed form in which files store some tensors, or null if they store all tensors as they are. */
  fileForm?(config: C): FileForm | null;
  /** Returns the tensors to save, by key, if they are not exactly the trained ones. The caller frees them. */
  filed?(config: C, trained: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  /** Creates the tensors that an adapter's layers share. Called before `createLayer`. */
  createShared?(context: SharedContext<C>): SharedTensors | Promise<SharedTensors>;
  /** Creates one adapter's part on one layer. Returns a promise if the initialisation reads weights. */
  createLayer(context: LayerContext<C>): LayerAdapter | Promise<LayerAdapter>;
}

/** Defines a method. A method consists of one file, a configuration and a line in `methods/index.ts`. */
export function definePeftMethod<C extends PeftConfig>(method: PeftMethod<C>): PeftMethod<C> {
  return method;
}

/** Converts a text to token ids, as `Tokenizer` of @lowrank/models does. */
export interface PromptTokenizer {
  encode(text: string): readonly number[];
}

/** Information about the model, for a prompt method. */
export interface PromptContext<C extends PromptLearningConfig> {
  /** The configuration, with all sizes resolved. */
  config: ResolvedPromptConfig<C>;
  /** The source of random initial values. */
  generator: Generator;
  /** The model's token embeddings. */
  embeddings: Embedding;
  tokenizer?: PromptTokenizer;
}

/**
 * A method that puts virtual tokens before every sequence: its configuration, and the encoder that produces their rows.
 */
export interface PromptMethod<C extends PromptLearningConfig = PromptLearningConfig> extends MethodFacts<C> {
  /** The position of the rows: before the embeddings, or before the keys and values of every layer. */
  readonly kind: VirtualTokens["kind"];
  /** Returns the configuration with values derived from its sizes. */
  resolve?(config: ResolvedPromptConfig<C>): C;
  /** Returns the width of a row. */
  width(config: ResolvedPromptConfig<C>): number;
  /** Returns true if the rows in the file are themselves the trained parameters. */
  trainsRows(config: C): boolean;
  createEncoder(context: PromptContext<C>): PromptEncoder;
}

/** Defines a prompt method, as `definePeftMethod` defines a layer method. */
export function definePromptMethod<C extends PromptLearningConfig>(method: PromptMethod<C>): PromptMethod<C> {
  return method;
}

/** A layer method or a prompt method. */
export type AnyMethod = PeftMethod | PromptMethod;

/**
 * Returns the compressed form in which an adapter's files store some tensors, or null if they store all tensors as they
 * are.
 */
export function fileFormOf(method: AnyMethod, config: PeftConfig): FileForm | null {
  return isPromptMethod(method) ? null : (method.fileForm?.(config) ?? null);
}

/** Returns true if a method puts virtual tokens before sequences. */
export function isPromptMethod(method: AnyMethod): method is PromptMethod {
  return "createEncoder" in method;
}
