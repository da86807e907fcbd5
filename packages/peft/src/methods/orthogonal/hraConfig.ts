import { checkInteger, checkOneOf, checkOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { checkBias, type TrainedBiases } from "../../config/trainedBiases.ts";

/** Options of `HRAConfig`. Omitted ones have PEFT's defaults. */
export interface HRAOptions extends LayerPeftOptions {
  /** The number of reflections. Must be even to start as a no-op. Default: 8. */
  r?: number;
  /**
   * Orthogonalises the reflection vectors with Gram-Schmidt. Can only be initialised with `initWeights:
   * false`. Default: false.
   */
  applyGS?: boolean;
  /** Starts as pairs of equal reflections, a no-op; otherwise random. Default: true. */
  initWeights?: boolean;
  /** The base biases that train too. Default: "none". */
  bias?: TrainedBiases;
}

/**
 * Configuration of HRA (Yuan et al. 2024, https://arxiv.org/abs/2405.17484). Throws
 * for values out of range.
 */
export class HRAConfig extends LayerPeftConfig {
  readonly r: number;
  readonly applyGS: boolean;
  readonly initWeights: boolean;
  readonly bias: TrainedBiases;

  constructor(options: HRAOptions = {}) {
    super("HRA", options);
    this.r = options.r ?? 8;
    this.applyGS = options.applyGS ?? false;
    this.initWeights = options.initWeights ?? true;
    this.bias = options.bias ?? "none";
    checkOptions(this, options, hraFormat);
    checkInteger(this, "r", this.r);
    for (const key of ["applyGS", "initWeights"] as const) checkOneOf(this, key, this[key], [true, false]);
    checkBias(this);
  }
}

/** The file format of HRA's configuration. */
export const hraFormat: ConfigFormat = {
  classic: [...layerFields, "apply_GS", "bias", "init_weights", "r"],
  floats: [],
  refused: {},
  ignored: {},
};
