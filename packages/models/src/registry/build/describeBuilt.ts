import type { Shape } from "@lowrank/core";
import { Conv1D, Embedding, Linear, type Module, Parameter } from "@lowrank/nn";
import type { ArchitectureConfig, ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import { onShapes, type Tie, tiesOf } from "../../model/onShapes.ts";
import type { ParameterSource } from "../../model/parameters.ts";
import type { StackModel } from "../../model/transformerModel.ts";
import { loadArchitecture } from "../loadArchitecture.ts";
import { buildModel, buildStack, type ModelOf } from "./buildModel.ts";

/** A layer that holds parameters. */
export type LayerDescription = {
  /** Path in the model, such as "model.layers.0.self_attn.q_proj". */
  readonly path: string;
} & (
  | {
      /** `linear` has a weight [out, in], `conv1d` a weight [in, out]. */
      readonly kind: "linear" | "conv1d";
      readonly inFeatures: number;
      readonly outFeatures: number;
      readonly bias: boolean;
    }
  | { readonly kind: "embedding"; readonly rows: number; readonly dim: number }
  | { readonly kind: "norm"; readonly dim: number; readonly bias: boolean }
);

/** A model's structure without weights, derived from its config. */
export interface ModelDescription<M = CausalLM> {
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /** Parameters by checkpoint name, in model order. A tied parameter is listed once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** Total number of elements of all parameters. */
  readonly parameterCount: number;
  readonly layers: readonly LayerDescription[];
  /** Additional names of tied parameters, such as "lm_head.weight" for "model.embed_tokens.weight". */
  readonly ties: readonly Tie[];
  /** Path of the layer that computes the logits. */
  readonly head: string;
  /** Builds the model, with parameters from `source`, on their backend. */
  build(source: ParameterSource): M;
}

/** The structure of a base model without a head, derived from its config, without weights. */
export type StackDescription<M = StackModel> = Omit<ModelDescription<M>, "head">;

/**
 * Returns the structure of the model of a config: parameter names, shapes, layers and ties. It runs the model's
 * constructor without data, so the description always matches the model.
 */
export function describeBuilt<C extends ModelConfig | ClassifierConfig>(
  architecture: Architecture,
  config: C,
): ModelDescription<ModelOf<C>> {
  const build = (source: ParameterSource) => buildModel<ModelConfig | ClassifierConfig>(architecture, config, source);
  const model = onShapes(build);
  const head = "lm_head" in model ? model.lm_head : model.logitsLayer;
  const path = [...model.namedModules()].find(([, module]) => module === head)?.[0] as string;
  return { ...describe(config, model, build), head: path } as ModelDescription<ModelOf<C>>;
}

/** Returns the structure of the base model of a config, without a head, as transformers' AutoModel builds it. */
export function describeStack(architecture: Architecture, config: ArchitectureConfig): StackDescription {
  const build = (source: ParameterSource) => buildStack(architecture, config, source);
  return describe(config, onShapes(build), build);
}

function describe<M extends Module>(
  { modelType }: ArchitectureConfig,
  model: M,
  build: (source: ParameterSource) => M,
): StackDescription<M> {
  const parameters = [...model.namedParameters()];
  return {
    modelType,
    parameters: parameters.map(([name, { shape }]) => ({ name, shape })),
    parameterCount: parameters.reduce((sum, [, { size }]) => sum + size, 0),
    layers: [...model.namedModules()].flatMap(([path, module]) => describeLayer(path, module) ?? []),
    ties: tiesOf(model),
    build,
  };
}

function describeLayer(path: string, module: Module): LayerDescription | null {
  if (module instanceof Linear || module instanceof Conv1D) {
    const { inFeatures, outFeatures, bias } = module;
    const kind = module instanceof Linear ? "linear" : "conv1d";
    return { path, kind, inFeatures, outFeatures, bias: bias !== null };
  }
  if (module instanceof Embedding) {
    const [rows, dim] = module.weight.shape;
    return { path, kind: "embedding", rows, dim };
  }
  const { weight, bias } = module as { weight?: unknown; bias?: unknown };
  if (!(weight instanceof Parameter) || weight.ndim !== 1) return null;
  return { path, kind: "norm", dim: weight.size, bias: bias instanceof Parameter };
}

/** Returns the names of weights that a model stores as [in, out] (GPT-2's Conv1D), unless they are packed. */
export async function conv1dWeights(config: ModelConfig | ClassifierConfig): Promise<ReadonlySet<string>> {
  const { layers } = describeBuilt(await loadArchitecture(config), config);
  return new Set(layers.flatMap(({ kind, path }) => (kind === "conv1d" ? [`${path}.weight`] : [])));
}
