import { checkOneOf, checkOptions } from "../../config/checks.ts";
import { LayerPeftConfig } from "../../config/layerPeftConfig.ts";
import { checkLycoris, type LycorisOptions, lycorisFormat } from "./lycorisConfig.ts";

/** Options of `LoHaConfig`. An option that is omitted has PEFT's default. */
export interface LoHaOptions extends LycorisOptions {
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
}

/** Configuration of LoHa (Hyeon-Woo et al. 2021, https://arxiv.org/abs/2108.06098). Throws for values out of range. */
export class LoHaConfig extends LayerPeftConfig {
  readonly r: number;
  readonly alpha: number;
  readonly rankDropout: number;
  readonly moduleDropout: number;
  readonly initWeights: boolean;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;

  constructor(options: LoHaOptions = {}) {
    super("LOHA", options);
    this.r = options.r ?? 8;
    this.alpha = options.alpha ?? 8;
    this.rankDropout = options.rankDropout ?? 0;
    this.moduleDropout = options.moduleDropout ?? 0;
    this.initWeights = options.initWeights ?? true;
    this.rankPattern = options.rankPattern ?? {};
    this.alphaPattern = options.alphaPattern ?? {};
    checkOptions(this, options, lycorisFormat);
    checkLycoris(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}
