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

/** Options of `PveraConfig`. An option that is omitted has PEFT's default. */
export interface PveraOptions extends LayerPeftOptions {
  /** Rank of the frozen random projections. A has 2 r rows, and B has r columns. Default: 256. */
  r?: number;
  /** Seed of the random projections. Default: 0. */
  projectionPrngKey?: number;
  /**
   * True if adapter files contain the random projections. If not, loading draws them again from the seed. Default:
   * true.
   */
  saveProjection?: boolean;
  /** Dropout on the input of A during training. Default: 0. */
  pveraDropout?: number;
  /** The initial value of `pvera_lambda_d`. Default: 0.1. */
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
  /** True if values are drawn outside of training too. If not, their means are used there. Default: false. */
  sampleAtInference?: boolean;
  /**
   * Seed of the drawn values. Each layer begins with this seed. PyTorch would draw other values from it. Null: the
   * values follow from the generator with which the adapter was created. Default: null.
   */
  generatorSeed?: number | null;
}

/** Configuration of PVeRA (https://arxiv.org/abs/2512.07703). Throws for values out of range. */
export class PveraConfig extends LayerPeftConfig {
  readonly r: number = 256;
  readonly projectionPrngKey: number = 0;
  readonly saveProjection: boolean = true;
  readonly pveraDropout: number = 0;
  readonly dInitial: number = 0.1;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean = true;
  readonly sampleAtInference: boolean = false;
  readonly generatorSeed: number | null = null;

  constructor(options: PveraOptions = {}) {
    super("PVERA", options);
    setOptions(this, options, pveraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "projectionPrngKey", this.projectionPrngKey, Number.MIN_SAFE_INTEGER);
    checkOneOf(this, "saveProjection", this.saveProjection, [true, false]);
    checkDropout(this, "pveraDropout", this.pveraDropout);
    checkFinite(this, "dInitial", this.dInitial);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkOneOf(this, "sampleAtInference", this.sampleAtInference, [true, false]);
    if (this.generatorSeed !== null) checkInteger(this, "generatorSeed", this.generatorSeed, 0);
  }
}

/** Rules for reading and writing PVeRA's configuration in adapter_config.json. */
export const pveraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "d_initial",
    "fan_in_fan_out",
    "generator_seed",
    "init_weights",
    "projection_prng_key",
    "pvera_dropout",
    "r",
    "sample_at_inference",
    "save_projection",
  ],
  floats: ["d_initial", "pvera_dropout"],
  refused: {},
  ignored: {},
};
