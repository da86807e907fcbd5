import { checkDropout, checkInteger, checkOneOf, refuse, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `BOFTConfig`. An option that is omitted has PEFT's default. */
export interface BOFTOptions extends LayerPeftOptions {
  /** Number of inputs in a block. 0 if `boftBlockNum` is set instead. Default: 4. */
  boftBlockSize?: number;
  /** Number of blocks into which a layer's inputs are split. 0 if `boftBlockSize` is set instead. Default: 0. */
  boftBlockNum?: number;
  /**
   * Number of rotations, applied one after the other. Each rotation groups the inputs into blocks differently. PEFT
   * uses 1 if it cannot compile its CUDA extension. Default: 1.
   */
  boftNButterflyFactor?: number;
  /**
   * Fraction of a rotation's blocks that dropout replaces by the identity during training. Each forward pass chooses
   * one of the rotations at random. Default: 0.
   */
  boftDropout?: number;
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

/** Configuration of BOFT (Liu et al. 2023, https://arxiv.org/abs/2311.06243). Throws for values out of range. */
export class BOFTConfig extends LayerPeftConfig {
  readonly boftBlockSize: number = 4;
  readonly boftBlockNum: number = 0;
  readonly boftNButterflyFactor: number = 1;
  readonly boftDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: TrainedBiases = "none";
  readonly initWeights: boolean = true;

  constructor(options: BOFTOptions = {}) {
    super("BOFT", options);
    setOptions(this, options, boftFormat);
    for (const key of ["boftBlockSize", "boftBlockNum"] as const) checkInteger(this, key, this[key], 0);
    checkInteger(this, "boftNButterflyFactor", this.boftNButterflyFactor);
    if ((this.boftBlockSize === 0) === (this.boftBlockNum === 0)) {
      const other = `boftBlockSize (${this.boftBlockSize})`;
      refuse(
        this,
        "boftBlockNum",
        this.boftBlockNum,
        `0, or ${other} must be 0, but not both: the other one follows from a layer's number of inputs`,
      );
    }
    checkDropout(this, "boftDropout", this.boftDropout);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing BOFT's configuration in adapter_config.json. */
export const boftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "boft_block_num",
    "boft_block_size",
    "boft_dropout",
    "boft_n_butterfly_factor",
    "fan_in_fan_out",
    "init_weights",
  ],
  floats: ["boft_dropout"],
  refused: {},
  ignored: {},
};
