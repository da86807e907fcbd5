import type { OptionKeys } from "@lowrank/core/internal";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { OutputDifference } from "../model/compareOutputs.ts";
import type { MergeDrift } from "./checkMerge.ts";
import type { LayerDifference } from "./compareLayer.ts";
import type { PackedMerge } from "./packedMerge.ts";

/** Options of `mergeAdapter` and `mergeAndUnload`. */
export interface MergeOptions<M extends AdaptableModel> extends PackedMerge {
  /** Checks every merged weight for NaN and infinity before any is written. Default: true. */
  safeMerge?: boolean;
  /** Names of the adapters to merge. Default: the active one. */
  adapterNames?: readonly string[];
  /**
   * Compares the outputs of each layer before and after its merge, on a few random inputs. `mergeReport` contains the
   * differences. The merge throws if rounding cannot explain a difference. With `{ inputs }`, also runs the whole model
   * on these inputs before and after the merge and reports the difference. False: no comparison. Default: compares
   * layers only.
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

/**
 * The result of a merge. If `verify.inputs` was given, also contains the difference between the model's outputs before
 * and after the merge.
 */
export interface MergeReport extends Partial<OutputDifference> {
  /** Names of the merged adapters. */
  adapters: readonly string[];
  /** Rounding errors of the weights that are not stored in f32. Empty if `safeMerge` is off or all weights are f32. */
  drift: readonly MergeDrift[];
  /**
   * Output differences of the merged layers, each on its own random inputs. Empty if `verify` is false. Modules trained
   * in full are included only if they are linear layers, embeddings or norms.
   */
  layers: readonly LayerDifference[];
}
