import type { OptionKeys } from "@lowrank/core/internal";
import type { CombinationType } from "./combineLayer.ts";

/** Options of `addWeightedAdapter`, with PEFT's names and defaults. */
export interface WeightedAdapterOptions {
  /**
   * Way to combine the adapters.
   *
   * - "cat": exact; the result's rank is the sum of all ranks.
   * - "svd" (the default): the best approximation of the weighted sum with rank `svdRank`.
   * - "ties_svd", "dare_linear_svd", "dare_ties_svd" and "magnitude_prune_svd": prune and merge the products B A, then
   *   approximate the result with rank `svdRank`.
   * - "linear", and the four names without "_svd": combine the matrices A and the matrices B separately. The result
   *   then also contains products of one adapter's A and another adapter's B.
   *
   * A single adapter always uses "linear", which is then exact. (IA)³ adapters are always combined exactly.
   */
  combinationType?: CombinationType;
  /** Rank of the result for types that end in "svd". Default: the adapters' largest rank. */
  svdRank?: number | null;
  /**
   * Clamps elements of A and B whose absolute values exceed this quantile of all their elements. Above 0 and up to 1.
   * Default: no clamping.
   */
  svdClamp?: number | null;
  /** Has no effect: in PEFT it computes additional singular vectors, which are then dropped. */
  svdFullMatrices?: boolean;
  /** Has no effect: in PEFT it selects a CUDA routine. */
  svdDriver?: "gesvd" | "gesvdj" | "gesvda" | null;
  /**
   * Fraction of elements to keep, above 0 and up to 1. Required for the types that prune: all with "ties", "dare" or
   * "magnitude_prune" in their names.
   */
  density?: number | null;
  /**
   * For types with "ties" in their names: how to choose the sign of each element. "total" takes the sign of the sum,
   * "frequency" the more frequent sign. Default: "total".
   */
  majoritySignMethod?: "total" | "frequency";
  /**
   * Seed for the random choice of the elements that types with "dare" in their names keep. Values are drawn layer by
   * layer, as PyTorch draws them after `torch.manual_seed(seed)`. Default: 0.
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
   * Relative error of each layer: the Frobenius norm of the result minus the exact weighted sum, divided by the norm of
   * this sum. The sum is over the adapters' products B A, or over their (IA)³ vectors.
   */
  layers: { path: string; relativeError: number }[];
}
