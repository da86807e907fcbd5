import type { OptionKeys } from "@lowrank/core/internal";
import type { AdaptableModel } from "../model/adaptableModel.ts";
import type { PackedMerge } from "./packedMerge.ts";

/** Options of `mergeAdapter` and `mergeAndUnload`. */
export interface MergeOptions<M extends AdaptableModel> extends PackedMerge {
  /** Checks every merged weight for NaN and infinity before any is written. Default: true. */
  safeMerge?: boolean;
  /** Names of the adapters to merge. Default: the active one. */
  adapterNames?: readonly string[];
  /**
   * Compares each merged layer's output with the unmerged one on a few random inputs. `mergeReport` contains the
   * differences, and a difference that rounding does not explain throws. If `inputs` are given, the whole model is also
   * run on them before and after. False: no layer is compared.
   */
  verify?: false | { inputs: Parameters<M["forward"]>[0] };
  /**
   * Aborts before anything is written; the call rejects with the signal's reason. Once writing has begun, the merge is
   * completed.
   */
  signal?: AbortSignal;
}

/** Names of all options of `MergeOptions`. */
export const mergeKeys: OptionKeys<MergeOptions<AdaptableModel>> = {
  ...({ safeMerge: true, adapterNames: true, verify: true, dtype: true, requantize: true, signal: true } as const),
};
