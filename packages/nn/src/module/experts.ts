import type { Tensor } from "@lowrank/core";
import type { ModuleList } from "./containers.ts";
import type { Module } from "./module.ts";

/** Functions that compute what an adapter adds to the products of an expert's matrices, by parameter name. */
export type ExpertUpdates = Readonly<Record<string, (x: Tensor, expert: number) => Tensor>>;

/** Routed experts, whose matrices are stacked in parameters [experts, out, in]. */
export interface ExpertStack extends Module {
  /** Names of the parameters, in the order of transformers. */
  readonly stackedParameters: readonly string[];
  /**
   * Returns the sum of the experts' outputs for x [B, T, D], multiplied by `weights` [B, T, experts]. `updates` are
   * added to the products of single matrices.
   */
  forward(x: Tensor, weights: Tensor, updates?: ExpertUpdates): Tensor;
}

/** A module with routed experts that consist of linear layers. transformers stacks their weights in parameters. */
export interface ExpertLayers extends Module {
  readonly experts: ModuleList;
  readonly stacked: {
    /** The name that this module has in transformers. */
    readonly module: string;
    /**
     * The parameters of transformers' module `experts`, in their order. Each contains the weights of these layers of an
     * expert, one below the other.
     */
    readonly parameters: Readonly<Record<string, readonly string[]>>;
  };
}
