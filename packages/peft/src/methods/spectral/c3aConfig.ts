import { checkInteger, checkOneOf, checkPattern, refuseExclusion, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** The initial values of a new C3A adapter. */
export type C3AInitWeights = boolean | "gaussian" | "kaiming_uniform" | "xavier_uniform";

/** Options of `C3AConfig`. An option that is omitted has PEFT's default. */
export interface C3AOptions extends LayerPeftOptions {
  /**
   * Number of rows and columns of a circulant block, and of the values that it trains. Must divide the inputs and
   * outputs of every adapted layer. Default: 256.
   */
  blockSize?: number;
  /**
   * Block sizes for layers that need another one than `blockSize`. A key is the end of a module path, after a dot.
   */
  blockSizePattern?: Readonly<Record<string, number>>;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
  /**
   * Initial values. True: zeros, so that outputs do not change. "gaussian": from N(0, 1). "kaiming_uniform",
   * "xavier_uniform" or false: uniform; false is the same as "xavier_uniform". Default: "xavier_uniform".
   */
  initWeights?: C3AInitWeights;
}

/** Configuration of C3A (Chen et al. 2024, https://arxiv.org/abs/2407.19342). Throws for values out of range. */
export class C3AConfig extends LayerPeftConfig {
  readonly blockSize: number = 256;
  readonly blockSizePattern: Readonly<Record<string, number>> = {};
  readonly bias: TrainedBiases = "none";
  readonly initWeights: C3AInitWeights = "xavier_uniform";

  constructor(options: C3AOptions = {}) {
    super("C3A", options);
    setOptions(this, options, c3aFormat);
    refuseExclusion(this);
    checkInteger(this, "blockSize", this.blockSize);
    checkPattern(this, "blockSizePattern", this.blockSizePattern, checkInteger);
    checkBias(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "gaussian", "kaiming_uniform", "xavier_uniform"]);
  }
}

/** Rules for reading and writing C3A's configuration in adapter_config.json. */
export const c3aFormat: ConfigFormat = {
  classic: [...layerFields, "bias", "block_size", "block_size_pattern", "init_weights"],
  floats: [],
  refused: {},
  ignored: {},
};
