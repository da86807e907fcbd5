import type { Module } from "@lowrank/nn";

/** A model that accepts adapters: any module with a `forward`. */
export interface AdaptableModel extends Module {
  forward(...inputs: never[]): unknown;
}

/** Types of the inputs and the result of `M`'s `loss`. `never` if `M` lacks a `loss`. */
export type LossOf<M> = M extends { loss(...inputs: infer I): infer L }
  ? { inputs: I; loss: L }
  : { inputs: never[]; loss: never };
