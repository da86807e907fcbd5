import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  checkOneOf,
  checkOptions,
  refuse,
  refuseExclusion,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { checkBias, type TrainedBiases } from "../../config/trainedBiases.ts";

/** Options of `RandLoraConfig`. Omitted ones have PEFT's defaults. */
export interface RandLoraOptions extends LayerPeftOptions {
  /** The rank of each random basis. A smaller rank means more bases and more trained parameters. Default: 32. */
  r?: number;
  /** The seed from which PEFT drew the bases. Kept for the files. Default: 0. */
  projectionPrngKey?: number;
  /** True if files contain the bases. Must be true, since PEFT's random bases differ between machines. */
  saveProjection?: boolean;
  /** True if bases consist of -1, 0 and 1, with two thirds zeros. Default: false. */
  sparse?: boolean;
  /** The same with even fewer nonzero values. Default: false. */
  verySparse?: boolean;
  /** Dropout on the input of the bases during training. Default: 0. */
  randloraDropout?: number;
  /** True if the weight is stored as [in, out]. Derived from the layers; kept for the files. */
  fanInFanOut?: boolean;
  /** The numerator of the scaling: alpha / r. Default: 640. */
  randloraAlpha?: number;
  /** Starts as a no-op if true, otherwise random. Default: true. */
  initWeights?: boolean;
  /** The base biases that train too. Default: "none". */
  bias?: TrainedBiases;
}

/**
 * Configuration of RandLoRA (Albert et al. 2025, https://arxiv.org/abs/2502.00987). Throws
 * for values out of range.
 */
export class RandLoraConfig extends LayerPeftConfig {
  readonly r: number;
  readonly projectionPrngKey: number;
  readonly saveProjection: boolean;
  readonly sparse: boolean;
  readonly verySparse: boolean;
  readonly randloraDropout: number;
  readonly fanInFanOut: boolean;
  readonly randloraAlpha: number;
  readonly initWeights: boolean;
  readonly bias: TrainedBiases;

  constructor(options: RandLoraOptions = {}) {
    super("RANDLORA", options);
    this.r = options.r ?? 32;
    this.projectionPrngKey = options.projectionPrngKey ?? 0;
    this.saveProjection = options.saveProjection ?? true;
    this.sparse = options.sparse ?? false;
    this.verySparse = options.verySparse ?? false;
    this.randloraDropout = options.randloraDropout ?? 0;
    this.fanInFanOut = options.fanInFanOut ?? false;
    this.randloraAlpha = options.randloraAlpha ?? 640;
    this.initWeights = options.initWeights ?? true;
    this.bias = options.bias ?? "none";
    checkOptions(this, options, randloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "projectionPrngKey", this.projectionPrngKey, Number.MIN_SAFE_INTEGER);
    checkFlags(this, { saveProjection: this.saveProjection, sparse: this.sparse, verySparse: this.verySparse });
    checkDropout(this, "randloraDropout", this.randloraDropout);
    checkFinite(this, "randloraAlpha", this.randloraAlpha);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
    if (!this.saveProjection) {
      refuse(
        this,
        "saveProjection",
        false,
        "true: the bases that PEFT draws from a seed differ between machines, so that only files can hold them",
      );
    }
  }
}

/** The file format of RandLoRA's configuration. */
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
