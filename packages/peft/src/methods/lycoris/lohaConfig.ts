import { checkOneOf, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig } from "../../config/layerPeftConfig.ts";
import { checkLycoris, type LycorisOptions, lycorisFormat } from "./lycorisConfig.ts";

/** Options of `LoHaConfig`. An option that is omitted has PEFT's default. */
export interface LoHaOptions extends LycorisOptions {
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
}

/** Configuration of LoHa (Hyeon-Woo et al. 2021, https://arxiv.org/abs/2108.06098). Throws for values out of range. */
export class LoHaConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly alpha: number = 8;
  readonly rankDropout: number = 0;
  readonly moduleDropout: number = 0;
  readonly initWeights: boolean = true;
  readonly useEffectiveConv2d: boolean = false;
  readonly rankPattern: Readonly<Record<string, number>> = {};
  readonly alphaPattern: Readonly<Record<string, number>> = {};

  constructor(options: LoHaOptions = {}) {
    super("LOHA", options);
    setOptions(this, options, lycorisFormat);
    checkLycoris(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}
