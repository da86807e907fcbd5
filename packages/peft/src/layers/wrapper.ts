import type { Tensor } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";

/** A module that replaces a module of the base model and applies adapters to it. */
export interface Wrapper extends Module {
  /** The replaced module of the base model. */
  readonly wrapped: Module;
  has(adapter: string): boolean;
  /** Removes an adapter and frees its tensors. */
  remove(adapter: string): void;
  /**
   * Returns the tensors that an adapter trains in this module. Keys are names in the adapter file, without this
   * module's path in front.
   */
  tensors(adapter: string): ReadonlyMap<string, Parameter>;
  /**
   * Returns the modules of which an adapter of this module replaces the weight in a merge: this module and others with
   * the same weight that share the adapter. Empty if the step of another module does it.
   */
  mergedInto(adapter: string): readonly Module[];
  /** Returns the steps that merge adapters into the base module at `path`. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[];
}

/** All wrappers of a model, by the path of the module that each replaces. */
export type Wrappers = ReadonlyMap<string, Wrapper>;

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

/**
 * One adapter on one module of the base model, for checking a merge. `forward` computes the module's output with the
 * adapter unmerged. `merged` returns the module's parameters after merging only this adapter.
 */
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
  /** The adapters to merge into this module, each with its unmerged forward pass. */
  live: readonly LiveAdapter[];
  /**
   * Ids of the tokens whose rows of the weight are changed by the adapters. Absent if the adapters change the whole
   * weight.
   */
  rows?: readonly number[];
}
