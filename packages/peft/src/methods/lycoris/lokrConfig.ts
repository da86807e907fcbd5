import { checkFlags, checkInteger, checkOneOf, checkOptions } from "../../config/checks.ts";
import { LayerPeftConfig } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { checkLycoris, type LycorisOptions, lycorisFormat } from "./lycorisConfig.ts";

/** Options of `LoKrConfig`. Omitted ones have PEFT's defaults. */
export interface LoKrOptions extends LycorisOptions {
  /** Divides the kept outputs by their share after rank dropout. Default: false. */
  rankDropoutScale?: boolean;
  /** Factorises the left matrix of the Kronecker product too, if that makes it smaller. Default: false. */
  decomposeBoth?: boolean;
  /** The factor into which a layer's sizes are split, or near it. -1: factors near their square roots. Default: -1. */
  decomposeFactor?: number;
  /**
   * Starts as a no-op with the left matrix zero (true) or the right one ("lycoris"). False: random. Default:
   * true.
   */
  initWeights?: boolean | "lycoris";
}

/**
 * Configuration of LoKr (Yeh et al. 2023, https://arxiv.org/abs/2309.14859). Throws
 * for values out of range.
 */
export class LoKrConfig extends LayerPeftConfig {
  readonly r: number;
  readonly alpha: number;
  readonly rankDropout: number;
  readonly moduleDropout: number;
  readonly rankDropoutScale: boolean;
  readonly decomposeBoth: boolean;
  readonly decomposeFactor: number;
  readonly initWeights: boolean | "lycoris";
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;

  constructor(options: LoKrOptions = {}) {
    super("LOKR", options);
    this.r = options.r ?? 8;
    this.alpha = options.alpha ?? 8;
    this.rankDropout = options.rankDropout ?? 0;
    this.moduleDropout = options.moduleDropout ?? 0;
    this.rankDropoutScale = options.rankDropoutScale ?? false;
    this.decomposeBoth = options.decomposeBoth ?? false;
    this.decomposeFactor = options.decomposeFactor ?? -1;
    this.initWeights = options.initWeights ?? true;
    this.rankPattern = options.rankPattern ?? {};
    this.alphaPattern = options.alphaPattern ?? {};
    checkOptions(this, options, lokrFormat);
    checkLycoris(this);
    if (this.decomposeFactor !== -1) checkInteger(this, "decomposeFactor", this.decomposeFactor);
    checkFlags(this, { decomposeBoth: this.decomposeBoth, rankDropoutScale: this.rankDropoutScale });
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "lycoris"]);
  }
}

/** The file format of LoKr's configuration. */
export const lokrFormat: ConfigFormat = {
  ...lycorisFormat,
  classic: [...lycorisFormat.classic, "decompose_both", "decompose_factor"],
};
