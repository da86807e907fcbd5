import { checkFinite, checkInteger, checkOneOf, refuse, refuseExclusion, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `AdamssConfig`. An option that is omitted has PEFT's default. */
export interface AdamssOptions extends LayerPeftOptions {
  /** Number of singular vectors of each weight. It must be less than the outputs of every layer. Default: 100. */
  r?: number;
  /** Number of clusters of a layer's outputs. Each has its own low-rank update. Default: 5. */
  numSubspaces?: number;
  /** Maximum rank of a cluster's update. Default: 1. */
  subspaceRank?: number;
  /** "orthogonal": the new adapter leaves outputs unchanged. null or false: random changes. Default: "orthogonal". */
  initWeights?: "orthogonal" | false | null;
  /** True: the rank of a cluster is the number of its squared singular values above a limit. Default: false. */
  useDynamicRank?: boolean;
  /** The limit of `useDynamicRank`, as a share of the cluster's largest squared singular value. Default: 0.1. */
  svdThreshold?: number;
  /** Seed of the approximate singular value decomposition. Default: 0. */
  randomSeed?: number;
}

/**
 * Configuration of AdaMSS, adaptive multi-subspace adaptation. Throws for values out of range.
 */
export class AdamssConfig extends LayerPeftConfig {
  readonly r: number = 100;
  readonly numSubspaces: number = 5;
  readonly subspaceRank: number = 1;
  readonly initWeights: "orthogonal" | null = "orthogonal";
  readonly useDynamicRank: boolean = false;
  readonly svdThreshold: number = 0.1;
  readonly randomSeed: number = 0;

  constructor(options: AdamssOptions = {}) {
    super("ADAMSS", options);
    const { initWeights } = options;
    const unset = initWeights === false ? null : initWeights;
    setOptions(this, initWeights === false ? { ...options, initWeights: null } : options, adamssFormat);
    // Null is the default of most options.
    if (unset === null) this.initWeights = null;
    refuseExclusion(this);
    for (const key of ["r", "numSubspaces", "subspaceRank"] as const) checkInteger(this, key, this[key]);
    if (this.subspaceRank > this.r) {
      refuse(this, "subspaceRank", this.subspaceRank, (named) => `at most ${named("r")} (${this.r})`);
    }
    checkOneOf(this, "initWeights", this.initWeights, ["orthogonal", null]);
    checkOneOf(this, "useDynamicRank", this.useDynamicRank, [true, false]);
    checkFinite(this, "svdThreshold", this.svdThreshold);
    checkInteger(this, "randomSeed", this.randomSeed, Number.MIN_SAFE_INTEGER);
  }
}

/** Rules for reading and writing AdaMSS's configuration in adapter_config.json. */
export const adamssFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "asa_importance_beta",
    "asa_schedule_exponent",
    "asa_target_subspaces",
    "asa_uncertainty_beta",
    "final_warmup",
    "init_warmup",
    "init_weights",
    "mask_interval",
    "num_subspaces",
    "r",
    "random_seed",
    "subspace_rank",
    "svd_threshold",
    "use_asa",
    "use_dynamic_rank",
  ],
  floats: ["asa_importance_beta", "asa_schedule_exponent", "asa_uncertainty_beta", "svd_threshold"],
  refused: {},
  // The adaptive allocation freezes clusters during training. It does not change a trained adapter.
  ignored: {
    use_asa: false,
    asa_target_subspaces: 50,
    init_warmup: 50,
    final_warmup: 1000,
    mask_interval: 100,
    asa_importance_beta: 0.85,
    asa_uncertainty_beta: 0.85,
    asa_schedule_exponent: 3,
  },
};
