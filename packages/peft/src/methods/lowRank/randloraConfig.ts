import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  checkOneOf,
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

/** Options of `RandLoraConfig`. An option that is omitted has PEFT's default. */
export interface RandLoraOptions extends LayerPeftOptions {
  /** Rank of each random basis. A smaller rank means more bases and more trained parameters. Default: 32. */
  r?: number;
  /** Seed of the random bases. Default: 0. */
  projectionPrngKey?: number;
  /**
   * True if adapter files contain the random bases, for each layer. False: they contain only the seed. PEFT then draws
   * other bases with PyTorch before 2.15, and on a GPU without bf16. Default: true.
   */
  saveProjection?: boolean;
  /**
   * True if the bases contain only -1, 0 and 1 before they are divided by their standard deviation, with about two
   * thirds zeros. Default: false.
   */
  sparse?: boolean;
  /**
   * As `sparse`, with a fraction of 1 - 1 / √n zeros, where n is the smaller dimension. Default: false.
   */
  verySparse?: boolean;
  /** Dropout on the input of the bases during training. Default: 0. */
  randloraDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** Alpha in the scaling alpha / r. Default: 640. */
  randloraAlpha?: number;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of RandLoRA (Albert et al. 2025, https://arxiv.org/abs/2502.00987). Throws for values out of range. */
export class RandLoraConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly projectionPrngKey: number = 0;
  readonly saveProjection: boolean = true;
  readonly sparse: boolean = false;
  readonly verySparse: boolean = false;
  readonly randloraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly randloraAlpha: number = 640;
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: RandLoraOptions = {}) {
    super("RANDLORA", options);
    setOptions(this, options, randloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "projectionPrngKey", this.projectionPrngKey, Number.MIN_SAFE_INTEGER);
    checkFlags(this, { saveProjection: this.saveProjection, sparse: this.sparse, verySparse: this.verySparse });
    checkDropout(this, "randloraDropout", this.randloraDropout);
    checkFinite(this, "randloraAlpha", this.randloraAlpha);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
  }
}

/** Rules for reading and writing RandLoRA's configuration in adapter_config.json. */
export const randloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_weights",
    "projection_prng_key",
    "r",
    "randlora_alpha",
    "randlora_dropout",
    "save_projection",
    "sparse",
    "very_sparse",
  ],
  floats: ["randlora_dropout"],
  refused: {},
  ignored: {},
};
