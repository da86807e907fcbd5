import {
  checkDropout,
  checkFinite,
  checkInteger,
  checkOneOf,
  checkOptions,
  refuse,
  refuseExclusion,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { checkBias, type TrainedBiases } from "../../config/trainedBiases.ts";

/** Options of `GraloraConfig`. Omitted ones have PEFT's defaults. */
export interface GraloraOptions extends LayerPeftOptions {
  /** The total rank of all blocks. Default: 32. */
  r?: number;
  /** The rank of an additional LoRA over the whole weight. Default: 0. */
  hybridR?: number;
  /** The numerator of the scaling: alpha / (r + hybridR). Default: 64. */
  alpha?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  graloraDropout?: number;
  /** Number of blocks into which inputs and outputs are split. Default: 2. */
  graloraK?: number;
  /** True if the weight is stored as [in, out]. Derived from the layers; kept for the files. */
  fanInFanOut?: boolean;
  /** Starts as a no-op if true, otherwise random. Default: true. */
  initWeights?: boolean;
  /** The base biases that train too. Default: "none". */
  bias?: TrainedBiases;
}

/**
 * Configuration of GraLoRA (Jung et al. 2025, https://arxiv.org/abs/2505.20355). Throws
 * for values out of range.
 */
export class GraloraConfig extends LayerPeftConfig {
  readonly r: number;
  readonly hybridR: number;
  readonly alpha: number;
  readonly graloraDropout: number;
  readonly graloraK: number;
  readonly fanInFanOut: boolean;
  readonly initWeights: boolean;
  readonly bias: TrainedBiases;

  constructor(options: GraloraOptions = {}) {
    super("GRALORA", options);
    this.r = options.r ?? 32;
    this.hybridR = options.hybridR ?? 0;
    this.alpha = options.alpha ?? 64;
    this.graloraDropout = options.graloraDropout ?? 0;
    this.graloraK = options.graloraK ?? 2;
    this.fanInFanOut = options.fanInFanOut ?? false;
    this.initWeights = options.initWeights ?? true;
    this.bias = options.bias ?? "none";
    checkOptions(this, options, graloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "hybridR", this.hybridR, 0);
    checkFinite(this, "alpha", this.alpha);
    checkDropout(this, "graloraDropout", this.graloraDropout);
    checkInteger(this, "graloraK", this.graloraK);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
    if (this.r % this.graloraK !== 0) refuse(this, "r", this.r, `a multiple of graloraK (${this.graloraK})`);
  }
}

/** The file format of GraLoRA's configuration. */
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
