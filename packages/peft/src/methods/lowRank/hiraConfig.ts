import { checkDropout, checkInteger, checkOneOf, checkOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `HiraConfig`; those left out take PEFT's defaults. */
export interface HiraOptions extends LayerPeftOptions {
  /** The rank. Default 32. */
  r?: number;
  /** Dropout on the adapter's input, while training. Default 0. */
  hiraDropout?: number;
  /**
   * The weight lies as [in, out]. Without effect, since that follows from the layers; kept for
   * the files, as PEFT does.
   */
  fanInFanOut?: boolean;
  /**
   * Start with B zero, a no-op, and A uniform or ("gaussian") from N(0, 1/r²); false and null: both
   * from N(0, 1). Default true.
   */
  initWeights?: boolean | "gaussian" | null;
}

/**
 * Configuration of HiRA (Huang et al. 2025, https://openreview.net/forum?id=TwJrTz9cRS). Throws
 * for values out of range.
 */
export class HiraConfig extends LayerPeftConfig {
  readonly r: number;
  readonly hiraDropout: number;
  readonly fanInFanOut: boolean;
  readonly initWeights: boolean | "gaussian" | null;

  constructor(options: HiraOptions = {}) {
    super("HIRA", options);
    this.r = options.r ?? 32;
    this.hiraDropout = options.hiraDropout ?? 0;
    this.fanInFanOut = options.fanInFanOut ?? false;
    this.initWeights = options.initWeights === undefined ? true : options.initWeights;
    checkOptions(this, options, hiraFormat);
    checkInteger(this, "r", this.r);
    checkDropout(this, "hiraDropout", this.hiraDropout);
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "gaussian", null]);
  }
}

/** The file format of HiRA's configuration. */
export const hiraFormat: ConfigFormat = {
  classic: [...layerFields, "fan_in_fan_out", "hira_dropout", "init_weights", "r"],
  floats: ["hira_dropout"],
  // PEFT takes it for adapters that join others, but not for the first one of a model.
  refused: { rank_pattern: {} },
  ignored: {},
};
