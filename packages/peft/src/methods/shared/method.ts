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

/** The facts about a layer that a method is given to adapt it. */
export interface LayerContext<C extends PeftConfig> {
  /**
   * On a `dataless` backend it has shapes alone, and tensors made from its numbers need
   * only have the right shape.
   */
  base: UnaryModule;
  kind: LayerKind;
  /** The layer's path in the base model. */
  path: string;
  /** With its targets said in full. */
  config: C;
  /** Holds the model, and so all tensors that the method makes. */
  backend: Backend;
  /** The source of random initial values. */
  generator: Generator;
  /** Values will be read from a file: initial ones need not be drawn. */
  loading: boolean;
  /**
   * Returns the dtype in which a tensor of this key is kept. It is f32 unless a file holds half
   * precision that is to stay so, and the method says that it can (`keepsHalfPrecision`).
   */
  dtypeOf(key: string): FloatDType;
  /** Warns the user about the layer. */
  warn(warning: Warning): void;
  /** The tensors that the method's `createShared` made for this adapter. */
  shared: SharedTensors;
}

/** The facts about all layers that a method shall adapt. */
export interface SharedContext<C extends PeftConfig>
  extends Pick<LayerContext<C>, "backend" | "config" | "generator" | "loading"> {
  layers: readonly Pick<LayerContext<C>, "base" | "kind" | "path">[];
}

/** Decides about an adapter's layers in the course of its training. */
export interface Allocator<C extends PeftConfig> {
  /**
   * Updates the layers after optimiser step `step`, counted from 0, while gradients are there.
   * Returns the new configuration.
   */
  update(config: C, step: number): Promise<C>;
  /** Returns the state that it carries from step to step, by name; the caller frees it. */
  state(config: C): Map<string, Tensor>;
  /** Restores such a state; returns the configuration of that time. */
  setState(config: C, state: ReadonlyMap<string, Tensor>): Promise<C>;
  dispose(): void;
}

/**
 * A method that adapts layers one by one: its configuration, and the part that it puts on a layer.
 */
export interface PeftMethod<C extends PeftConfig = PeftConfig> extends MethodFacts<C> {
  /** The kinds of layer it can sit on, first the one that it is made for. */
  readonly kinds: readonly LayerKind[];
  /** Targets by `model_type`, where a configuration names none. */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /** The biases of the base model that train too. */
  bias?(config: C): "none" | "all" | "layers";
  /** Rows of embeddings that train too: of the input embedding, or by module name. */
  trainableTokens?(config: C): readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /** Values by keys for the end of a path, which are checked against the targets. */
  patterns?(config: C): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /**
   * Returns the paths of the modules that it adapts, if its configuration does not name
   * them by targets to match.
   */
  targets?(config: C, model: Module): readonly string[];
  /**
   * Returns the configuration with the values that follow from the model's type, after
   * its targets are resolved.
   */
  resolve?(config: C, modelType: string | undefined, model: Module): C;
  /** The key, in its file, of a tensor on the layer at `path`; default: PEFT's. */
  fileKey?(path: string, key: string, config: C): string;
  /** Only one adapter can be merged at a time: each takes the place of the base layers. */
  readonly mergesAlone?: true;
  /** Returns the term that is added to the loss while the adapter trains. */
  penalty?(config: C, layers: readonly LayerAdapter[]): Tensor;
  /** Creates the allocator that changes layers in the course of a training. */
  createAllocator?(layers: ReadonlyMap<string, LayerAdapter>): Allocator<C>;
  /** Returns the other form in which files hold some tensors; null if they hold all as they are. */
  fileForm?(config: C): FileForm | null;
  /**
   * Returns the tensors to save, by key, if they are not all that trained; the caller frees them.
   */
  filed?(config: C, trained: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  /** Makes the tensors that an adapter's layers share, before the layers. */
  createShared?(context: SharedContext<C>): SharedTensors | Promise<SharedTensors>;
  /** Makes one adapter's part on one layer. A start that reads weights returns a promise. */
  createLayer(context: LayerContext<C>): LayerAdapter | Promise<LayerAdapter>;
}

/**
 * Names a method; its file is all there is to it, besides its configuration and a
 * line in `methods/index.ts`.
 */
export function definePeftMethod<C extends PeftConfig>(method: PeftMethod<C>): PeftMethod<C> {
  return method;
}

/** Turns a text into token ids, as `Tokenizer` of @lowrank/models does. */
export interface PromptTokenizer {
  encode(text: string): readonly number[];
}

/** The facts about the model that a prompt method is given. */
export interface PromptContext<C extends PromptLearningConfig> {
  /** With all sizes said. */
  config: ResolvedPromptConfig<C>;
  /** The source of random initial values. */
  generator: Generator;
  /** The model's own embeddings of tokens. */
  embeddings: Embedding;
  tokenizer?: PromptTokenizer;
}

/**
 * A method that puts virtual tokens before every sequence: its configuration, and the
 * encoder that makes their rows.
 */
export interface PromptMethod<C extends PromptLearningConfig = PromptLearningConfig> extends MethodFacts<C> {
  /** The place of the rows: before embeddings, or before the keys and values of every layer. */
  readonly kind: VirtualTokens["kind"];
  /** Returns the configuration with the values that follow from its sizes. */
  resolve?(config: ResolvedPromptConfig<C>): C;
  /** Returns the width of a row. */
  width(config: ResolvedPromptConfig<C>): number;
  /** Returns true if the rows, which files hold, are also the parameters that train. */
  trainsRows(config: C): boolean;
  createEncoder(context: PromptContext<C>): PromptEncoder;
}

/** Names a prompt method, as `definePeftMethod` does for others. */
export function definePromptMethod<C extends PromptLearningConfig>(method: PromptMethod<C>): PromptMethod<C> {
  return method;
}

/** A method of either kind. */
export type AnyMethod = PeftMethod | PromptMethod;

/**
 * Returns the other form in which an adapter's files hold some tensors; null if
 * they hold all as they are.
 */
export function fileFormOf(method: AnyMethod, config: PeftConfig): FileForm | null {
  return isPromptMethod(method) ? null : (method.fileForm?.(config) ?? null);
}

/** Returns true if a method puts virtual tokens before sequences. */
export function isPromptMethod(method: AnyMethod): method is PromptMethod {
  return "createEncoder" in method;
}
