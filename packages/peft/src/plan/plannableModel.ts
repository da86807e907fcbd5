import type { Shape, Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { AdaptableModel } from "../model/adaptableModel.ts";

/** A model's shapes, which are enough to describe adapters without running the model. */
export interface ModelShapes<M extends AdaptableModel = AdaptableModel> {
  readonly modelType: string;
  /** Parameters by checkpoint name; tied parameters once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** Builds the model with parameters from `source`. */
  build(source: (name: string, shape: Shape) => Parameter): M;
}

/** A model without weights that can be run on shapes, as `describeModel` of @lowrank/models returns it. */
export type PlannableModel = ModelShapes<BuiltModel>;

/** A model that can run one training step. */
export interface BuiltModel extends AdaptableModel {
  /** The maximum number of tokens in a sequence. */
  readonly maxPositions: number;
  /** The virtual tokens that an adapter puts before every sequence. */
  readonly virtualTokens?: { readonly count: number } | null;
  loss(inputs: { inputIds: Tensor; labels: Tensor }): Tensor;
  gradientCheckpointingEnable(): unknown;
  /** Creates a cache. Missing, with `nextLogits`, in models that do not generate. */
  createCache?(batch: number, capacity: number): object;
  nextLogits?(inputs: { inputIds: Tensor; cache: never }): Tensor;
}
