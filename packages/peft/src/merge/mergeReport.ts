import type { OutputDifference } from "../model/compareOutputs.ts";
import type { MergeDrift } from "./checkMerge.ts";
import type { LayerDifference } from "./compareLayer.ts";

/**
 * The result of a merge. With `verify.inputs`, includes the difference between the model's outputs after and before the
 * merge.
 */
export interface MergeReport extends Partial<OutputDifference> {
  /** Names of the merged adapters. */
  adapters: readonly string[];
  /** The rounded weights and their errors. Empty if `safeMerge` is off or all weights are f32. */
  drift: readonly MergeDrift[];
  /**
   * The differences of the merged layers, each on its own random inputs. Empty if `verify` is false. Parts of modules
   * trained whole are omitted unless they are linear layers, embeddings or norms: they simply replace the old ones.
   */
  layers: readonly LayerDifference[];
}
