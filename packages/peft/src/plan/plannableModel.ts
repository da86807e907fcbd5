import type { Shape, Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { AdaptableModel } from "../model/adaptableModel.ts";

/** The shapes of a model, which suffice to describe adapters on it without running it. */
export interface ModelShapes<M extends AdaptableModel = AdaptableModel> {
  readonly modelType: string;
  /** Parameters by checkpoint name, tied ones once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** Makes the model, with parameters from `source`. */
  build(source: (name: string, shape: Shape) => Parameter): M;
}

/** A model without weights that can be run, as `describeModel` of @lowrank/models gives it. */
export type PlannableModel = ModelShapes<BuiltModel>;

/** A model that can be run for one step. */
export interface BuiltModel extends AdaptableModel {
  /** The most tokens a sequence may have. */
  readonly maxPositions: number;
  /** The virtual tokens that an adapter puts before every sequence. */
  readonly virtualTokens?: { readonly count: number } | null;
  loss(inputs: { inputIds: Tensor; labels: Tensor }): Tensor;
  gradientCheckpointingEnable(): unknown;
  /** Left out by models that generate nothing, with `nextLogits`. */
  createCache?(batch: number, capacity: number): object;
  nextLogits?(inputs: { inputIds: Tensor; cache: never }): Tensor;
}
