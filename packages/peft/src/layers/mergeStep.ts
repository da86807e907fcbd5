import type { Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";

/** A parameter of the base model and the value that a merge gives it. */
export interface Replacement {
  /** The parameter's path, for messages. */
  path: string;
  /** The modules that contain the parameter: several if it is tied. */
  owners: readonly Module[];
  key: string;
  /** The new value in f32. It is rounded to the dtype of the value that it replaces. */
  value: Tensor;
}

/** One adapter on one base module: its unmerged forward, and the values after merging it alone. */
interface LiveAdapter {
  forward(x: Tensor): Tensor;
  merged(): Replacement[];
}

/** One base module and its merge. */
export interface MergeStep {
  /** The module's path in the base model. */
  path: string;
  module: Module;
  /**
   * Returns the values after merging all adapters together. Computes them again at every call; the caller frees them.
   */
  merged(): Replacement[];
  /** The adapters to merge here, one by one. */
  live: readonly LiveAdapter[];
  /** Rows of an embedding that adapters change. Absent if they change all rows. */
  rows?: readonly number[];
}
