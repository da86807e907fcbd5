import { checkDropout, checkInteger, checkOneOf, checkPattern, setOptions } from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `HiraConfig`. An option that is omitted has PEFT's default. */
export interface HiraOptions extends LayerPeftOptions {
  /** The rank. Default: 32. */
  r?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  hiraDropout?: number;
  /**
   * True if the weights are stored as [in, out]. Has no effect here; it is only read from and written to
   * adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Initialisation of A and B. True: B zero, A uniform. "gaussian": B zero, A from N(0, 1/r²). False or null: both from
   * N(0, 1), so that outputs change. Default: true.
   */
  initWeights?: boolean | "gaussian" | null;
  /**
   * Ranks for modules that need another rank than `r`. A key is a regular expression for a module's path, or for the
   * last components of a path, such as a module's name. PEFT 0.21 ignores it for the first adapter of a layer.
   */
  rankPattern?: Readonly<Record<string, number>>;
}

/**
 * Configuration of HiRA (Huang et al. 2025, https://openreview.net/forum?id=TwJrTz9cRS). Throws for values out of
 * range.
 */
export class HiraConfig extends LayerPeftConfig {
  readonly r: number = 32;
  readonly hiraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly initWeights: boolean | "gaussian" | null = true;
  readonly rankPattern: Readonly<Record<string, number>> = {};

  constructor(options: HiraOptions = {}) {
    super("HIRA", options);
    setOptions(this, options, hiraFormat);
    if (options.initWeights === null) this.initWeights = null;
    checkInteger(this, "r", this.r);
    checkPattern(this, "rankPattern", this.rankPattern, checkInteger);
    checkDropout(this, "hiraDropout", this.hiraDropout);
    checkOneOf(this, "initWeights", this.initWeights, [true, false, "gaussian", null]);
  }
}

/** Rules for reading and writing HiRA's configuration in adapter_config.json. */
export const hiraFormat: ConfigFormat = {
  classic: [...layerFields, "fan_in_fan_out", "hira_dropout", "init_weights", "r", "rank_pattern"],
  floats: ["hira_dropout"],
  refused: {},
  ignored: {},
};
