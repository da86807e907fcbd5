import { checkFlags, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { checkLycoris, type LycorisOptions, lycorisFormat } from "./lycorisConfig.ts";

/** Options of `LoKrConfig`. An option that is omitted has PEFT's default. */
export interface LoKrOptions extends LycorisOptions {
  /** True: the outputs that rank dropout keeps are divided by the fraction of kept outputs. Default: false. */
  rankDropoutScale?: boolean;
  /**
   * True: the first (smaller) matrix of the Kronecker product is also trained as a product of rank r, if this takes
   * fewer parameters. False: the first matrix is trained in full. Default: false.
   */
  decomposeBoth?: boolean;
  /**
   * Input and output sizes are each split into two factors. If this value divides a size, it is one of the factors.
   * Otherwise the size is split into two factors near its square root, and the smaller factor is at most this value.
   * -1: always split near the square root, without a limit. Default: -1.
   */
  decomposeFactor?: number;
  /**
   * Initialisation of the two matrices. True: the first one zero. "lycoris": the second one zero. False: both random,
   * so that outputs change. Default: true.
   */
  initWeights?: boolean | "lycoris";
}

/** Configuration of LoKr (Yeh et al. 2023, https://arxiv.org/abs/2309.14859). Throws for values out of range. */
export class LoKrConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly alpha: number = 8;
  readonly rankDropout: number = 0;
  readonly moduleDropout: number = 0;
  readonly rankDropoutScale: boolean = false;
  readonly decomposeBoth: boolean = false;
  readonly decomposeFactor: number = -1;
  readonly initWeights: boolean | "lycoris" = true;
  readonly useEffectiveConv2d: boolean = false;
  readonly rankPattern: Readonly<Record<string, number>> = {};
  readonly alphaPattern: Readonly<Record<string, number>> = {};

  constructor(options: LoKrOptions = {}) {
    super("LOKR", options);
    setOptions(this, options, lokrFormat);
    checkLycoris(this);
    if (this.decomposeFactor !== -1) checkInteger(this, "decomposeFactor", this.decomposeFactor);
    checkFlags(this, { decomposeBoth: this.decomposeBoth, rankDropoutScale: this.rankDropoutScale });
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "lycoris"]);
  }
}

/** Rules for reading and writing LoKr's configuration in adapter_config.json. */
export const lokrFormat: ConfigFormat = {
  ...lycorisFormat,
  classic: [...lycorisFormat.classic, "decompose_both", "decompose_factor"],
};
