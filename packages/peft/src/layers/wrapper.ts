import type { Module, Parameter } from "@lowrank/nn";
import type { MergeStep } from "./mergeStep.ts";

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
  /** Returns the steps that merge adapters into the base module at `path`. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[];
}

/** All wrappers of a model, by the path of the module that each replaces. */
export type Wrappers = ReadonlyMap<string, Wrapper>;
