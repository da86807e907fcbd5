import type { OptionKeys } from "@lowrank/core";
import type { AdaptableModel } from "../model/adaptableModel.ts";
import type { PackedMerge } from "./packedMerge.ts";

/** Options of `mergeAdapter` and `mergeAndUnload`. */
export interface MergeOptions<M extends AdaptableModel> extends PackedMerge {
  /** Look for NaN and infinity in every merged weight before any is written. Default true. */
  safeMerge?: boolean;
  /** Names of the adapters to merge. Default: the active one. */
  adapterNames?: readonly string[];
  /**
   * Compares each merged layer, on a few random inputs, with its output before; `mergeReport` tells
   * the differences, and more than rounding explains is an error. With inputs, the whole model is
   * run on these before and after too. False: no layer is compared.
   */
  verify?: false | { inputs: Parameters<M["forward"]>[0] };
  /**
   * Ends the merge while nothing is merged yet: rejects with the signal's reason. Once writing has
   * begun, all is written.
   */
  signal?: AbortSignal;
}

/** The names of all options of `MergeOptions`. */
export const mergeKeys: OptionKeys<MergeOptions<AdaptableModel>> = {
  ...({ safeMerge: true, adapterNames: true, verify: true, dtype: true, requantize: true, signal: true } as const),
};
