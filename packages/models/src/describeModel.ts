import { meta, type Shape, withBackend } from "@lowrank/core";
import { Conv1D, Embedding, Linear, type Module, Parameter } from "@lowrank/nn";
import type { CausalLM } from "./causalLM.ts";
import type { ClassifierConfig } from "./config/classifierConfig.ts";
import type { ModelConfig } from "./config/modelConfig.ts";
import { createModel, type ModelOf } from "./createModel.ts";
import type { ParameterSource } from "./parameters.ts";

/** A layer that holds parameters. */
export type LayerDescription = {
  /** Its path in the model: "model.layers.0.self_attn.q_proj". */
  readonly path: string;
} & (
  | {
      /** `linear` keeps its weight as [out, in], `conv1d` as [in, out]. */
      readonly kind: "linear" | "conv1d";
      readonly inFeatures: number;
      readonly outFeatures: number;
      readonly bias: boolean;
    }
  | { readonly kind: "embedding"; readonly rows: number; readonly dim: number }
  | { readonly kind: "norm"; readonly dim: number; readonly bias: boolean }
);

/** A model as its config says it, without weights. */
export interface ModelDescription<M = CausalLM> {
  /** Hugging Face's `model_type`. */
  readonly modelType: string;
  /** Parameters by checkpoint name, in the model's order; a tied one once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** How many numbers the parameters are. */
  readonly parameterCount: number;
  readonly layers: readonly LayerDescription[];
  /** Names under which a parameter stands a second time: "lm_head.weight" for "model.embed_tokens.weight". */
  readonly ties: readonly { readonly name: string; readonly of: string }[];
  /** Path of the layer that gives the logits. */
  readonly head: string;
  /** Makes the model with parameters from `source`, on the backend of these. */
  build(source: ParameterSource): M;
}

/**
 * What a config says of its model: paths, shapes, ties. The model's own constructor is run over shapes, so there is no
 * second list to agree with it.
 */
export function describeModel<C extends ModelConfig | ClassifierConfig>(config: C): ModelDescription<ModelOf<C>> {
  const backend = meta();
  const build = (source: ParameterSource) => createModel(config, source);
  const model = withBackend(backend, () =>
    build((_name, shape) => new Parameter(backend.tensor({ shape, dtype: "f32" }))),
  );
  const head = "lm_head" in model ? model.lm_head : model.head;
  const parameters = [...model.namedParameters()];
  const firstName = new Map(parameters.map(([name, parameter]) => [parameter, name]));
  const everywhere = [...model.namedParameters({ duplicates: true })];
  const modules = [...model.namedModules()];
  return {
    modelType: config.modelType,
    parameters: parameters.map(([name, { shape }]) => ({ name, shape })),
    parameterCount: parameters.reduce((sum, [, { size }]) => sum + size, 0),
    layers: modules.flatMap(([path, module]) => describeLayer(path, module) ?? []),
    ties: everywhere.flatMap(([name, parameter]) => {
      const of = firstName.get(parameter) as string;
      return of === name ? [] : [{ name, of }];
    }),
    head: modules.find(([, module]) => module === head)?.[0] as string,
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

/** Names of the weights that a model keeps as [in, out], unless they are packed. */
export function conv1dWeights(config: ModelConfig | ClassifierConfig): ReadonlySet<string> {
  const { layers } = describeModel(config);
  return new Set(layers.flatMap(({ kind, path }) => (kind === "conv1d" ? [`${path}.weight`] : [])));
}
