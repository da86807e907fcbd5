import type { Module } from "@lowrank/nn";

/** A model that adapters can be put on. */
export interface AdaptableModel extends Module {
  forward(...inputs: never[]): unknown;
}

/** The types of the inputs and the result of a model's `loss`; never for a model without one. */
export type LossOf<M> = M extends { loss(...inputs: infer I): infer L }
  ? { inputs: I; loss: L }
  : { inputs: never[]; loss: never };
