import type { OptionKeys } from "@lowrank/core/internal";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PackedMerge } from "./packedMerge.ts";

/** Options of `mergeAdapter` and `mergeAndUnload`. */
export interface MergeOptions<M extends AdaptableModel> extends PackedMerge {
  /** Checks every merged weight for NaN and infinity before any is written. Default: true. */
  safeMerge?: boolean;
  /** Names of the adapters to merge. Default: the active one. */
  adapterNames?: readonly string[];
  /**
   * Compares the outputs of each layer before and after its merge, on a few random inputs. `mergeReport` contains the
   * differences; the merge throws if rounding cannot explain a difference. If you give `inputs`, the whole model also
   * runs on them before and after the merge. False: layers are not compared. Default: layers are compared, without
   * `inputs`.
   */
  verify?: false | { inputs: Parameters<M["forward"]>[0] };
  /**
   * Aborts the merge before anything is written; the call then rejects with the signal's reason. Once writing has
   * begun, aborting has no effect.
   */
  signal?: AbortSignal;
}

/** Names of all options of `MergeOptions`. */
export const mergeKeys: OptionKeys<MergeOptions<AdaptableModel>> = {
  ...({ safeMerge: true, adapterNames: true, verify: true, dtype: true, requantize: true, signal: true } as const),
};
