import type { Backend, Generator, Tensor } from "@lowrank/core";
import type { Embedding, Module, UnaryModule, VirtualTokens } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { PromptLearningConfig, ResolvedPromptConfig } from "../config/promptLearningConfig.ts";
import type { Warning } from "../config/warning.ts";
import type { SharedTensors } from "../layers/sharedTensors.ts";
import type { LayerAdapter } from "../layers/tunerLayer.ts";
import type { PromptEncoder } from "../prompt/promptEncoder.ts";
import type { LayerKind } from "../targets/layerKind.ts";
import type { FileForm } from "./fileForm.ts";
import type { MethodFacts } from "./methodFacts.ts";

/** What a method is told about a layer that it shall adapt. */
export interface LayerContext<C extends PeftConfig> {
  /** On a `dataless` backend it has shapes alone, and what is made from its numbers need only have the right shape. */
  base: UnaryModule;
  kind: LayerKind;
  /** The layer's path in the base model. */
  path: string;
  /** With its targets said in full. */
  config: C;
  /** Holds the model, and so all tensors that the method makes. */
  backend: Backend;
  /** Where initial values are drawn from. */
  generator: Generator;
  /** Values will be read from a file: initial ones need not be drawn. */
  loading: boolean;
  /** Tells the user what to know about the layer. */
  warn(warning: Warning): void;
  /** What the method's `createShared` made for this adapter. */
  shared: SharedTensors;
}

/** What a method is told about all the layers that it shall adapt. */
export interface SharedContext<C extends PeftConfig>
  extends Pick<LayerContext<C>, "backend" | "config" | "generator" | "loading"> {
  layers: readonly Pick<LayerContext<C>, "base" | "kind" | "path">[];
}

/** Decides about an adapter's layers in the course of its training. */
export interface Allocator<C extends PeftConfig> {
  /** Does what is due after optimiser step `step`, counted from 0, while gradients are there; gives the configuration as it is then. */
  update(config: C, step: number): Promise<C>;
  /** What it goes by from step to step, by name; the caller frees it. */
  state(config: C): Map<string, Tensor>;
  /** Takes such a state back; gives the configuration as it was then. */
  setState(config: C, state: ReadonlyMap<string, Tensor>): Promise<C>;
  dispose(): void;
}

/** A method that adapts layers one by one: its configuration, and what it puts on a layer. */
export interface PeftMethod<C extends PeftConfig = PeftConfig> extends MethodFacts<C> {
  /** The kinds of layer it can sit on, first the one that it is made for. */
  readonly kinds: readonly LayerKind[];
  /** Targets by `model_type`, where a configuration names none. */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /** Which biases of the base model train too. */
  bias?(config: C): "none" | "all" | "layers";
  /** Rows of embeddings that train too: of the input embedding, or by module name. */
  trainableTokens?(config: C): readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /** Values by keys for the end of a path, which are checked against the targets. */
  patterns?(config: C): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** The paths of what it adapts, where its configuration says that in another way than by targets to match. */
  targets?(config: C, model: Module): readonly string[];
  /** The configuration with what follows from the model's type said in full, after its targets. */
  resolve?(config: C, modelType: string | undefined, model: Module): C;
  /** The key, in its file, of a tensor on the layer at `path`; default: PEFT's. */
  fileKey?(path: string, key: string, config: C): string;
  /** Only one adapter can be merged at a time: each takes the place of the base layers. */
  readonly mergesAlone?: true;
  /** What is added to the loss while the adapter trains. */
  penalty?(config: C, layers: readonly LayerAdapter[]): Tensor;
  /** What decides about layers in the course of a training. */
  createAllocator?(layers: ReadonlyMap<string, LayerAdapter>): Allocator<C>;
  /** How files hold some tensors in another form; null where they hold all as they are. */
  fileForm?(config: C): FileForm | null;
  /** What files hold of what it trained, by key, where that is not all; the caller frees it. */
  filed?(config: C, trained: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  /** Makes what an adapter's layers share, before the layers. */
  createShared?(context: SharedContext<C>): SharedTensors | Promise<SharedTensors>;
  /** Makes what one adapter gets on one layer. A start that reads weights returns a promise. */
  createLayer(context: LayerContext<C>): LayerAdapter | Promise<LayerAdapter>;
}

/** Names a method; its file is all there is to it, besides its configuration and a line in `methods/index.ts`. */
export function definePeftMethod<C extends PeftConfig>(method: PeftMethod<C>): PeftMethod<C> {
  return method;
}

/** Turns a text into token ids, as `Tokenizer` of @lowrank/models does. */
export interface PromptTokenizer {
  encode(text: string): readonly number[];
}

/** What a prompt method is told about the model. */
export interface PromptContext<C extends PromptLearningConfig> {
  /** With all sizes said. */
  config: ResolvedPromptConfig<C>;
  /** Where initial values are drawn from. */
  generator: Generator;
  /** The model's own embeddings of tokens. */
  embeddings: Embedding;
  tokenizer?: PromptTokenizer;
}

/** A method that puts virtual tokens before every sequence: its configuration, and what makes their rows. */
export interface PromptMethod<C extends PromptLearningConfig = PromptLearningConfig> extends MethodFacts<C> {
  /** Where the rows stand: before embeddings, or before the keys and values of every layer. */
  readonly kind: VirtualTokens["kind"];
  /** The configuration with what follows from its sizes said in full. */
  resolve?(config: ResolvedPromptConfig<C>): C;
  /** How wide a row is. */
  width(config: ResolvedPromptConfig<C>): number;
  /** Whether the rows, which are what files hold, are also what trains. */
  trainsRows(config: C): boolean;
  createEncoder(context: PromptContext<C>): PromptEncoder;
}

/** Names a prompt method, as `definePeftMethod` does for others. */
export function definePromptMethod<C extends PromptLearningConfig>(method: PromptMethod<C>): PromptMethod<C> {
  return method;
}

/** A method of either kind. */
export type AnyMethod = PeftMethod | PromptMethod;

/** How an adapter's files hold some of its tensors in another form; null where they hold all as they are. */
export function fileFormOf(method: AnyMethod, config: PeftConfig): FileForm | null {
  return isPromptMethod(method) ? null : (method.fileForm?.(config) ?? null);
}

/** Whether a method puts virtual tokens before sequences. */
export function isPromptMethod(method: AnyMethod): method is PromptMethod {
  return "createEncoder" in method;
}
