import type { OptionKeys } from "@lowrank/core/internal";
import type { CombinationType } from "./combineLayer.ts";

/** Options of `addWeightedAdapter`, with PEFT's names and defaults. */
export interface WeightedAdapterOptions {
  /**
   * Way to combine the adapters. "cat" is exact; the result's rank is the sum of all ranks. "svd" (the default) is the
   * best approximation of rank `svdRank`. "ties_svd", "dare_linear_svd", "dare_ties_svd" and "magnitude_prune_svd"
   * first merge the products B A with pruning and then approximate the result. The same names without "_svd", and
   * "linear", combine A and B separately, which also adds products of one adapter's A and another's B. A single adapter
   * always uses "linear", which is then exact. (IA)³ adapters are always combined exactly.
   */
  combinationType?: CombinationType;
  /** Rank of the result for types that end in "svd". Default: the adapters' largest rank. */
  svdRank?: number | null;
  /** Limits the elements of A and B to this quantile, above 0 and up to 1. Default: no limit. */
  svdClamp?: number | null;
  /** Has no effect: in PEFT it computes additional singular vectors, which are then dropped. */
  svdFullMatrices?: boolean;
  /** Has no effect: in PEFT it selects a CUDA routine. */
  svdDriver?: "gesvd" | "gesvdj" | "gesvda" | null;
  /** The fraction of elements that types with pruning keep, above 0 and up to 1. Required for these types. */
  density?: number | null;
  /** For "ties" and "dare_ties": keeps the sign of the sum ("total") or the more frequent sign. Default: "total". */
  majoritySignMethod?: "total" | "frequency";
  /**
   * Seed of the random choice in "dare_linear" and "dare_ties". Values are drawn as after `torch.manual_seed(seed)`,
   * layer by layer. Default: 0.
   */
  seed?: number;
}

/** Names of all options of `WeightedAdapterOptions`. */
export const weightedKeys: OptionKeys<WeightedAdapterOptions> = {
  ...({ combinationType: true, svdRank: true, svdClamp: true, svdFullMatrices: true, svdDriver: true } as const),
  ...({ density: true, majoritySignMethod: true, seed: true } as const),
};

/** Result of `addWeightedAdapter`. */
export interface WeightedAdapterReport {
  combinationType: CombinationType;
  /** The rank of the result; null for (IA)³. */
  rank: number | null;
  /**
   * The relative error of each layer: the Frobenius norm of the difference between the combined product (or factors)
   * and the exact weighted sum, divided by the sum's norm.
   */
  layers: { path: string; relativeError: number }[];
}
