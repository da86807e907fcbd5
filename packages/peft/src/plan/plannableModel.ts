import type { Shape, Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { AdaptableModel } from "../model/adaptedLoss.ts";

/**
 * The shapes of a model's parameters, and a function that builds the model. Enough to describe adapters without running
 * the model.
 */
export interface ModelShapes<M extends AdaptableModel = AdaptableModel> {
  readonly modelType: string;
  /** The parameters by their names in checkpoints. Tied parameters are listed once. */
  readonly parameters: readonly { readonly name: string; readonly shape: Shape }[];
  /** Builds the model. `source` returns the parameter with a given name and shape. */
  build(source: (name: string, shape: Shape) => Parameter): M;
}

/** A model without weights whose ops can be run with shapes only. `describeModel` of @lowrank/models returns one. */
export type PlannableModel = ModelShapes<BuiltModel>;

/** A model that can run one training step. */
export interface BuiltModel extends AdaptableModel {
  /** The maximum number of tokens in a sequence. */
  readonly maxPositions: number;
  /** The virtual tokens that a prompt adapter puts before every sequence. Null or undefined if there are none. */
  readonly virtualTokens?: { readonly count: number } | null;
  loss(inputs: { inputIds: Tensor; labels: Tensor }): Tensor;
  gradientCheckpointingEnable(): unknown;
  /** Creates a cache for generation. Models that do not generate lack this and `nextLogits`. */
  createCache?(batch: number, capacity: number): object;
  nextLogits?(inputs: { inputIds: Tensor; cache: never }): Tensor;
}
