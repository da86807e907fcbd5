import { checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `HRAConfig`. An option that is omitted has PEFT's default. */
export interface HRAOptions extends LayerPeftOptions {
  /** Number of reflections. Must be even if `initWeights` is true. Default: 8. */
  r?: number;
  /**
   * Orthogonalises the reflection vectors with the Gram-Schmidt method. Requires `initWeights: false`. Default: false.
   */
  applyGS?: boolean;
  /**
   * True: pairs of equal reflections, which cancel, so that outputs do not change. False: random reflections. Default:
   * true.
   */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of HRA (Yuan et al. 2024, https://arxiv.org/abs/2405.17484). Throws for values out of range. */
export class HRAConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly applyGS: boolean = false;
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: HRAOptions = {}) {
    super("HRA", options);
    setOptions(this, options, hraFormat);
    checkInteger(this, "r", this.r);
    for (const key of ["applyGS", "initWeights"] as const) checkOneOf(this, key, this[key], [true, false]);
    checkBias(this);
  }
}

/** Rules for reading and writing HRA's configuration in adapter_config.json. */
export const hraFormat: ConfigFormat = {
  classic: [...layerFields, "apply_GS", "bias", "init_weights", "r"],
  floats: [],
  refused: {},
  ignored: {},
};
