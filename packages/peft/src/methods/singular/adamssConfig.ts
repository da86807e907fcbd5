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
  /** True to freeze the less important clusters during training (adaptive subspace allocation). Default: false. */
  useAsa?: boolean;
  /** Number of clusters of all layers that train after `finalWarmup`, with `useAsa`. Default: 50. */
  asaTargetSubspaces?: number;
  /** First training step, counted from 0, that measures the importance of clusters. Default: 50. */
  initWarmup?: number;
  /** Last training step that can freeze clusters. Above `initWarmup`. Default: 1000. */
  finalWarmup?: number;
  /** Clusters are frozen at steps that are multiples of this. Default: 100. */
  maskInterval?: number;
  /** Share of the old value in the moving average of a cluster's importance. Default: 0.85. */
  asaImportanceBeta?: number;
  /** Share of the old value in the moving average of the importance's changes. Default: 0.85. */
  asaUncertaintyBeta?: number;
  /** Exponent of the fall to `asaTargetSubspaces`. Larger exponents freeze clusters earlier. Default: 3. */
  asaScheduleExponent?: number;
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
  readonly useAsa: boolean = false;
  readonly asaTargetSubspaces: number = 50;
  readonly initWarmup: number = 50;
  readonly finalWarmup: number = 1000;
  readonly maskInterval: number = 100;
  readonly asaImportanceBeta: number = 0.85;
  readonly asaUncertaintyBeta: number = 0.85;
  readonly asaScheduleExponent: number = 3;

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
    checkOneOf(this, "useAsa", this.useAsa, [true, false]);
    checkAllocation(this);
  }
}

/** Throws for options of `useAsa` that do not fit. Without `useAsa`, only their types are checked, as in PEFT. */
function checkAllocation(config: AdamssConfig): void {
  const { useAsa, initWarmup, finalWarmup, asaScheduleExponent } = config;
  const least = useAsa ? 1 : Number.MIN_SAFE_INTEGER;
  for (const key of ["asaTargetSubspaces", "maskInterval"] as const) checkInteger(config, key, config[key], least);
  for (const key of ["initWarmup", "finalWarmup"] as const) {
    checkInteger(config, key, config[key], Number.MIN_SAFE_INTEGER);
  }
  for (const key of ["asaImportanceBeta", "asaUncertaintyBeta", "asaScheduleExponent"] as const) {
    checkFinite(config, key, config[key]);
  }
  if (!useAsa) return;
  if (initWarmup >= finalWarmup) {
    refuse(config, "initWarmup", initWarmup, (named) => `below ${named("finalWarmup")} (${finalWarmup})`);
  }
  if (asaScheduleExponent <= 0) refuse(config, "asaScheduleExponent", asaScheduleExponent, "above 0");
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
  ignored: {},
};
