import { checkFinite, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `LilyConfig`. An option that is omitted has PEFT's default. */
export interface LilyOptions extends LayerPeftOptions {
  /** The rank. Since layers share A and B, it is usually 2 to 4 times as large as LoRA's. Default: 32. */
  r?: number;
  /** Number of successive layers of a target that share one A. Default: 1, so that every layer has its own. */
  strideA?: number;
  /** Number of matrices B that all layers of a target share, at least 2. Default: 2. */
  numB?: number;
  /** Factor of the update. Default: 1. */
  scaling?: number;
  /** True: B is zero, so that the new adapter leaves outputs unchanged. False: B is random. Default: true. */
  initWeights?: boolean;
}

/** Configuration of Lily (Zhong et al. 2024, https://arxiv.org/abs/2407.09946). Throws for values out of range. */
export class LilyConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly strideA: number = 1;
  readonly numB: number = 2;
  readonly scaling: number = 1;
  readonly initWeights: boolean = true;

  constructor(options: LilyOptions = {}) {
    super("LILY", options);
    setOptions(this, options, lilyFormat);
    checkInteger(this, "r", this.r);
    checkInteger(this, "strideA", this.strideA);
    checkInteger(this, "numB", this.numB, 2);
    checkFinite(this, "scaling", this.scaling);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing Lily's configuration in adapter_config.json. */
export const lilyFormat: ConfigFormat = {
  classic: [...layerFields, "init_weights", "num_B", "r", "scaling", "stride_A"],
  floats: ["scaling"],
  spelling: { strideA: "stride_A", numB: "num_B" },
  refused: {},
  ignored: {},
};
