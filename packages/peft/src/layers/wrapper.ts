import type { Module, Parameter } from "@lowrank/nn";
import type { MergeStep } from "./mergeStep.ts";

/** A module that stands in the place of a base module and holds the adapters' parts there. */
export interface Wrapper extends Module {
  /** The base module. */
  readonly wrapped: Module;
  has(adapter: string): boolean;
  /** Takes an adapter out and frees its tensors. */
  remove(adapter: string): void;
  /** An adapter's tensors by their key in its file, below this module's path. */
  tensors(adapter: string): ReadonlyMap<string, Parameter>;
  /** Returns the steps that merge adapters into the base module, which lies at `path`. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[];
}

/** The wrappers on a base model, by the path of the wrapped module. */
export type Wrappers = ReadonlyMap<string, Wrapper>;
