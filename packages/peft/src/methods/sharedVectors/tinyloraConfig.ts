import {
  checkDropout,
  checkFlags,
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

/** Options of `TinyLoraConfig`. An option that is omitted has PEFT's default. */
export interface TinyLoraOptions extends LayerPeftOptions {
  /** Number of singular vectors of each weight. Layers with smaller sizes use all of theirs. Default: 2. */
  r?: number;
  /** Length of a trained vector. Default: 64. */
  u?: number;
  /**
   * Share of layers that reuse another layer's trained vector, from 0 to 1. 0: each layer has one. 1: all layers share
   * one. Default: 0.
   */
  weightTying?: number;
  /** Seed of the random projections. The layer at index i of the adapted layers uses the seed plus i. Default: 42. */
  projectionSeed?: number;
  /**
   * True if adapter files contain the random projections. If not, loading draws them again from the seed. Default:
   * true.
   */
  saveProjection?: boolean;
  /** Bound of the initial values for `initWeights: "uniform"`. Default: 0.02. */
  initVBound?: number;
  /** Dropout on a layer's input during training. On embeddings, it applies to the rows of B. Default: 0. */
  tinyloraDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "tinylora_only". Default: "none".
   */
  bias?: TrainedBiases;
  /**
   * True: the vectors start with zeros, and the new adapter leaves outputs unchanged. "uniform": with values drawn
   * uniformly from [-initVBound, initVBound). False: with zeros. PEFT leaves them uninitialised. Default: true.
   */
  initWeights?: boolean | "uniform";
}

/** Configuration of TinyLoRA (2026, https://arxiv.org/abs/2602.04118). Throws for values out of range. */
export class TinyLoraConfig extends LayerPeftConfig {
  readonly r: number = 2;
  readonly u: number = 64;
  readonly weightTying: number = 0;
  readonly projectionSeed: number = 42;
  readonly saveProjection: boolean = true;
  readonly initVBound: number = 0.02;
  readonly tinyloraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean | "uniform" = true;

  constructor(options: TinyLoraOptions = {}) {
    super("TINYLORA", options);
    setOptions(this, options, tinyloraFormat);
    refuseExclusion(this);
    const { weightTying, initVBound } = this;
    for (const key of ["r", "u"] as const) checkInteger(this, key, this[key]);
    if (!(weightTying >= 0 && weightTying <= 1)) refuse(this, "weightTying", weightTying, "from 0 to 1");
    checkInteger(this, "projectionSeed", this.projectionSeed, Number.MIN_SAFE_INTEGER);
    checkFlags(this, { saveProjection: this.saveProjection });
    if (!Number.isFinite(initVBound) || initVBound < 0) refuse(this, "initVBound", initVBound, "at least 0");
    checkDropout(this, "tinyloraDropout", this.tinyloraDropout);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "uniform"]);
  }
}

/** Rules for reading and writing TinyLoRA's configuration in adapter_config.json. */
export const tinyloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_v_bound",
    "init_weights",
    "projection_seed",
    "r",
    "save_projection",
    "tinylora_dropout",
    "u",
    "weight_tying",
  ],
  floats: ["init_v_bound", "tinylora_dropout", "weight_tying"],
  refused: {},
  ignored: {},
};
