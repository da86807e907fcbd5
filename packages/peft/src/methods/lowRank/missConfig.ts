import { checkDropout, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `MissConfig`. An option that is omitted has PEFT's default. */
export interface MissOptions extends LayerPeftOptions {
  /** Number of rows in the trained matrix. Inputs whose indices are equal modulo r share a row. Default: 64. */
  r?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  missDropout?: number;
  /**
   * Number of columns of the trained matrix with `initWeights: "mini"`; otherwise not used. Output i uses column i
   * modulo `miniR`. Must divide the number of outputs. Default: 1.
   */
  miniR?: number;
  /**
   * Variant and initialisation. True: MiSS, initialised with zeros. False: MiSS, initialised with random values. "bat":
   * the variant whose update depends on the base weight, initialised with zeros. "mini": the variant whose trained
   * matrix has only `miniR` columns, initialised with zeros. Default: true.
   */
  initWeights?: boolean | "bat" | "mini";
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of MiSS (Kang and Yin 2024, https://arxiv.org/abs/2409.15371). Throws for values out of range. */
export class MissConfig extends LayerPeftConfig {
  readonly r: number = 64;
  readonly missDropout: number = 0;
  readonly miniR: number = 1;
  readonly initWeights: boolean | "bat" | "mini" = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: MissOptions = {}) {
    super("MISS", options);
    setOptions(this, options, missFormat);
    checkInteger(this, "r", this.r);
    checkDropout(this, "missDropout", this.missDropout);
    checkInteger(this, "miniR", this.miniR);
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "bat", "mini"]);
    checkBias(this);
  }
}

/** Rules for reading and writing MiSS's configuration in adapter_config.json. */
export const missFormat: ConfigFormat = {
  classic: [...layerFields, "bias", "init_weights", "mini_r", "miss_dropout", "r"],
  floats: ["miss_dropout"],
  refused: {},
  ignored: {},
};
