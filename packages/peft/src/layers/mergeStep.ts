import type { Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";

/** A parameter of the base model and its new value after a merge. */
export interface Replacement {
  /** The parameter's path, for messages. */
  path: string;
  /** The modules that contain the parameter: several if it is tied. */
  owners: readonly Module[];
  key: string;
  /** The new value in f32. It is converted to the dtype of the old value when it is written. */
  value: Tensor;
}

/** One adapter on one base module. Used to check that merging does not change the module's output. */
interface LiveAdapter {
  forward(x: Tensor): Tensor;
  merged(): Replacement[];
}

/** A planned merge of one or more adapters into one base module. */
export interface MergeStep {
  /** The module's path in the base model. */
  path: string;
  module: Module;
  /**
   * Returns the parameters' values after merging all adapters. Every call computes new tensors, which the caller frees.
   */
  merged(): Replacement[];
  /** The adapters to merge into this module. */
  live: readonly LiveAdapter[];
  /** The token ids whose embeddings the adapters change. Absent if they change all of them. */
  rows?: readonly number[];
}
