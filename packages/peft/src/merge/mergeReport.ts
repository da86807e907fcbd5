import type { OutputDifference } from "../model/compareOutputs.ts";
import type { MergeDrift } from "./checkMerge.ts";
import type { LayerDifference } from "./compareLayer.ts";

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
