import { checkDropout, checkInteger, checkOneOf, checkOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `HiraConfig`. Omitted ones have PEFT's defaults. */
export interface HiraOptions extends LayerPeftOptions {
  /** The rank. Default: 32. */
  r?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  hiraDropout?: number;
  /**
   * True if the weight is stored as [in, out]. Ignored, since it is derived from the layers. Kept for the files,
   * as in PEFT.
   */
  fanInFanOut?: boolean;
  /**
   * Initialisation. True: B zero (a no-op) and A uniform. "gaussian": B zero and A from N(0, 1/r²). False and null:
   * both from N(0, 1). Default: true.
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
  // PEFT accepts it for additional adapters, but not for the first one of a model.
  refused: { rank_pattern: {} },
  ignored: {},
};
