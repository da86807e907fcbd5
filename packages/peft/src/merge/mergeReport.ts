import type { OutputDifference } from "../model/compareOutputs.ts";
import type { MergeDrift } from "./checkMerge.ts";
import type { LayerDifference } from "./compareLayer.ts";

/**
 * The difference between the merged model's answers and those with the adapter beside it, on the
 * inputs given as `verify`.
 */
export interface MergeReport extends Partial<OutputDifference> {
  /** Names of the merged adapters. */
  adapters: readonly string[];
  /** The rounded weights and their errors; empty if `safeMerge` was off or all is f32. */
  drift: readonly MergeDrift[];
  /**
   * The merged layers, each on random inputs of its own; empty where `verify` is false. Parts of
   * modules trained whole that are neither linear layers, embeddings nor norms are left out: they
   * merge by taking the place of the old ones.
   */
  layers: readonly LayerDifference[];
}
