import {
  checkDropout,
  checkFinite,
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

/** Options of `VeraConfig`. An option that is omitted has PEFT's default. */
export interface VeraOptions extends LayerPeftOptions {
  /** Rank of the frozen random projections. Default: 256. */
  r?: number;
  /** Seed of the random projections. Default: 0. */
  projectionPrngKey?: number;
  /**
   * True if adapter files contain the random projections. If not, loading draws them again from the seed. Default:
   * true.
   */
  saveProjection?: boolean;
  /** Dropout on the input of A during training. Default: 0. */
  veraDropout?: number;
  /** The initial value of `vera_lambda_d`. Default: 0.1. */
  dInitial?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
}

/** Configuration of VeRA (Kopiczko et al. 2023, https://arxiv.org/abs/2310.11454). Throws for values out of range. */
export class VeraConfig extends LayerPeftConfig {
  readonly r: number = 256;
  readonly projectionPrngKey: number = 0;
  readonly saveProjection: boolean = true;
  readonly veraDropout: number = 0;
  readonly dInitial: number = 0.1;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean = true;

  constructor(options: VeraOptions = {}) {
    super("VERA", options);
    setOptions(this, options, veraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "projectionPrngKey", this.projectionPrngKey, Number.MIN_SAFE_INTEGER);
    checkOneOf(this, "saveProjection", this.saveProjection, [true, false]);
    checkDropout(this, "veraDropout", this.veraDropout);
    checkFinite(this, "dInitial", this.dInitial);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing VeRA's configuration in adapter_config.json. */
export const veraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "d_initial",
    "fan_in_fan_out",
    "init_weights",
    "projection_prng_key",
    "r",
    "save_projection",
    "vera_dropout",
  ],
  floats: ["d_initial", "vera_dropout"],
  refused: {},
  ignored: {},
};
