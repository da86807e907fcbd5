import type { Module, Parameter } from "@lowrank/nn";
import type { MergeStep } from "./mergeStep.ts";

/** A module that replaces a base module and holds the adapters' parts for it. */
export interface Wrapper extends Module {
  /** The base module. */
  readonly wrapped: Module;
  has(adapter: string): boolean;
  /** Removes an adapter and frees its tensors. */
  remove(adapter: string): void;
  /** Returns an adapter's tensors, by key in its file after this module's path. */
  tensors(adapter: string): ReadonlyMap<string, Parameter>;
  /** Returns the steps that merge adapters into the base module at `path`. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[];
}

/** The wrappers on a base model, by path of the wrapped module. */
export type Wrappers = ReadonlyMap<string, Wrapper>;
