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

/** Options of `FrodConfig`. An option that is omitted has PEFT's default. */
export interface FrodOptions extends LayerPeftOptions {
  /** Share of the elements of the rotation that train next to its diagonal, from 0 to 1. Default: 0.01. */
  sparseRate?: number;
  /** Seed of the positions of the trained elements. Default: 0. */
  projectionPrngKey?: number;
  /**
   * A value that is added to the diagonals of matrices before they are inverted, when the basis is computed. Default:
   * 1e-3.
   */
  regularizationAlpha?: number;
  /**
   * True: adapter files contain the bases and positions. It must be true, since the signs of singular vectors, and
   * vectors of equal singular values, differ between programs. Default: true.
   */
  saveProjection?: boolean;
  /** Dropout on the layer's input during training. Default: 0. */
  frodDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "frod_only". Default: "none".
   */
  bias?: TrainedBiases;
  /** True: the new adapter leaves outputs unchanged except for rounding. False: random changes. Default: true. */
  initWeights?: boolean;
}

/**
 * Configuration of FRoD, full-rank fine-tuning with rotational degrees (https://doi.org/10.1609/aaai.v40i31.39813).
 * Throws for values out of range.
 */
export class FrodConfig extends LayerPeftConfig {
  readonly sparseRate: number = 0.01;
  readonly projectionPrngKey: number = 0;
  readonly regularizationAlpha: number = 1e-3;
  readonly saveProjection: boolean = true;
  readonly frodDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean = true;

  constructor(options: FrodOptions = {}) {
    super("FROD", options);
    setOptions(this, options, frodFormat);
    refuseExclusion(this);
    checkFinite(this, "sparseRate", this.sparseRate);
    if (this.sparseRate < 0 || this.sparseRate > 1) refuse(this, "sparseRate", this.sparseRate, "from 0 to 1");
    checkInteger(this, "projectionPrngKey", this.projectionPrngKey, Number.MIN_SAFE_INTEGER);
    checkFinite(this, "regularizationAlpha", this.regularizationAlpha);
    if (this.saveProjection !== true) {
      refuse(this, "saveProjection", this.saveProjection, "true, since another program computes other bases");
    }
    checkDropout(this, "frodDropout", this.frodDropout);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing FRoD's configuration in adapter_config.json. */
export const frodFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "frod_dropout",
    "init_weights",
    "progressbar",
    "projection_prng_key",
    "regularization_alpha",
    "runtime_offload_base_weight",
    "save_projection",
    "sparse_rate",
  ],
  floats: ["frod_dropout", "regularization_alpha", "sparse_rate"],
  refused: {},
  ignored: { progressbar: true, runtime_offload_base_weight: false },
};
