import type { OptionKeys } from "@lowrank/core";
import type { CombinationType } from "./combineLayer.ts";

/** Options of `addWeightedAdapter`, with PEFT's names and defaults. */
export interface WeightedAdapterOptions {
  /**
   * "cat" is exact, with the sum of all ranks. "svd" (the default) is the best approximation of a
   * rank; with "ties", "dare_linear", "dare_ties" or "magnitude_prune" before it, it approximates
   * the merge of the whole products. Without "_svd", these and "linear" combine A and B each on its
   * own, which brings products of A and B of different adapters in. One adapter alone is always
   * combined by "linear", which is then exact, and so are the factors of (IA)³.
   */
  combinationType?: CombinationType;
  /** The rank of the result, for types that end in "svd". Default: the largest of the adapters. */
  svdRank?: number | null;
  /**
   * Cut numbers of the factors off beyond this quantile, above 0 and up to
   * 1. Default: none are cut.
   */
  svdClamp?: number | null;
  /** Has no effect: the additional parts of a full decomposition are cut off again. */
  svdFullMatrices?: boolean;
  /** Has no effect: it names routines of CUDA. */
  svdDriver?: "gesvd" | "gesvdj" | "gesvda" | null;
  /** The share of numbers kept by types that prune, above 0 and up to 1. These need it. */
  density?: number | null;
  /**
   * For "ties" and "dare_ties": the sign of the sum wins, or the more
   * frequent one. Default "total".
   */
  majoritySignMethod?: "total" | "frequency";
  /**
   * The seed of DARE: numbers are drawn as after `torch.manual_seed(seed)`,
   * layer by layer. Default 0.
   */
  seed?: number;
}

/** The names of all options of `WeightedAdapterOptions`. */
export const weightedKeys: OptionKeys<WeightedAdapterOptions> = {
  ...({ combinationType: true, svdRank: true, svdClamp: true, svdFullMatrices: true, svdDriver: true } as const),
  ...({ density: true, majoritySignMethod: true, seed: true } as const),
};

/** The report of `addWeightedAdapter`. */
export interface WeightedAdapterReport {
  combinationType: CombinationType;
  /** Null for (IA)³, which has none. */
  rank: number | null;
  /**
   * The error of each layer: the distance of its product (or factors) from the weighted sum of the
   * adapters', as a share of that sum's Frobenius norm.
   */
  layers: { path: string; relativeError: number }[];
}
