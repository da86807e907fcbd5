import {
  checkDropout,
  checkFinite,
  checkInteger,
  checkOneOf,
  refuse,
  refuseExclusion,
  setOptions,
} from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `GraloraConfig`. An option that is omitted has PEFT's default. */
export interface GraloraOptions extends LayerPeftOptions {
  /** The total rank. Each of the k x k blocks of the weight has rank r / k. Default: 32. */
  r?: number;
  /** Rank of an additional LoRA for the whole weight. 0: none. Default: 0. */
  hybridR?: number;
  /** Alpha in the scaling alpha / (r + hybridR). Default: 64. */
  alpha?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  graloraDropout?: number;
  /** The number k: inputs are split into k blocks, and outputs are split into k blocks. Default: 2. */
  graloraK?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of GraLoRA (Jung et al. 2025, https://arxiv.org/abs/2505.20355). Throws for values out of range. */
export class GraloraConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly hybridR: number = 0;
  readonly alpha: number = 64;
  readonly graloraDropout: number = 0;
  readonly graloraK: number = 2;
  readonly fanInFanOut: boolean = false;
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: GraloraOptions = {}) {
    super("GRALORA", options);
    setOptions(this, options, graloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "hybridR", this.hybridR, 0);
    checkFinite(this, "alpha", this.alpha);
    checkDropout(this, "graloraDropout", this.graloraDropout);
    checkInteger(this, "graloraK", this.graloraK);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
    if (this.r % this.graloraK !== 0)
      refuse(this, "r", this.r, (named) => `a multiple of ${named("graloraK")} (${this.graloraK})`);
  }
}

/** Rules for reading and writing GraLoRA's configuration in adapter_config.json. */
export const graloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "alpha",
    "bias",
    "fan_in_fan_out",
    "gralora_dropout",
    "gralora_k",
    "hybrid_r",
    "init_weights",
    "r",
  ],
  floats: ["gralora_dropout"],
  refused: {},
  ignored: {},
};
