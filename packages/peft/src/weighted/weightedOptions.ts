import type { OptionKeys } from "@lowrank/core/internal";
import type { CombinationType } from "./combineLayer.ts";

/** Options of `addWeightedAdapter`, with PEFT's names and defaults. */
export interface WeightedAdapterOptions {
  /**
   * "cat" is exact; its rank is the sum of all ranks. "svd" (the default) is the best approximation of rank `svdRank`.
   * With a prefix "ties", "dare_linear", "dare_ties" or "magnitude_prune", "svd" approximates the merge of the whole
   * products. Without "_svd", these and "linear" combine A and B separately, which also adds products of one adapter's
   * A and another's B. A single adapter always uses "linear", which is then exact. The factors of (IA)³ are also
   * combined exactly.
   */
  combinationType?: CombinationType;
  /** The rank of the result, for types that end in "svd". Default: the adapters' largest rank. */
  svdRank?: number | null;
  /**
   * Clamps elements of the factors beyond this quantile, above 0 and up to
   * 1. Default: no clamping.
   */
  svdClamp?: number | null;
  /** Ignored: the additional vectors of a full SVD would be removed again. */
  svdFullMatrices?: boolean;
  /** Ignored: it selects CUDA routines. */
  svdDriver?: "gesvd" | "gesvdj" | "gesvda" | null;
  /** The share of elements that pruning types keep, above 0 and up to 1. Required for them. */
  density?: number | null;
  /** For "ties" and "dare_ties": keeps the sign of the sum ("total") or the more frequent sign. Default: "total". */
  majoritySignMethod?: "total" | "frequency";
  /** The seed of DARE: values are drawn as after `torch.manual_seed(seed)`, layer by layer. Default: 0. */
  seed?: number;
}

/** Names of all options of `WeightedAdapterOptions`. */
export const weightedKeys: OptionKeys<WeightedAdapterOptions> = {
  ...({ combinationType: true, svdRank: true, svdClamp: true, svdFullMatrices: true, svdDriver: true } as const),
  ...({ density: true, majoritySignMethod: true, seed: true } as const),
};

/** The report of `addWeightedAdapter`. */
export interface WeightedAdapterReport {
  combinationType: CombinationType;
  /** The rank of the result; null for (IA)³. */
  rank: number | null;
  /**
   * The error of each layer: the Frobenius norm of the difference between its product (or factors) and the weighted
   * sum, divided by the sum's norm.
   */
  layers: { path: string; relativeError: number }[];
}
