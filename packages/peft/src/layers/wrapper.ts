import type { Tensor } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";

/** A value of a base module that a merge replaces. */
export interface Replacement {
  /** What messages call it: the path of the parameter. */
  path: string;
  /** The modules that hold it, more than one where it is tied. */
  owners: readonly Module[];
  key: string;
  /** f32, to be rounded to the dtype of what it replaces. */
  value: Tensor;
}

/** Stands in the place of a base module and holds what adapters have there. */
export interface Wrapper extends Module {
  /** The base module. */
  readonly wrapped: Module;
  has(adapter: string): boolean;
  /** Takes an adapter out and frees its tensors. */
  remove(adapter: string): void;
  /** An adapter's tensors by their key in its file, below this module's path. */
  tensors(adapter: string): ReadonlyMap<string, Parameter>;
}
