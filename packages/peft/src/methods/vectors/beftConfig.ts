import { checkOneOf, refuseExclusion, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `BeftConfig`. An option that is omitted has PEFT's default. */
export interface BeftOptions extends PeftOptions {
  /** True: zeros, so that outputs do not change. False: from N(0, 1). Default: true. */
  initWeights?: boolean;
}

/** Configuration of BEFT (Huang et al. 2025, https://arxiv.org/abs/2509.15974). Throws for values out of range. */
export class BeftConfig extends PeftConfig {
  readonly initWeights: boolean = true;

  constructor(options: BeftOptions = {}) {
    super("BEFT", options);
    setOptions(this, options, beftFormat);
    refuseExclusion(this);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing BEFT's configuration in adapter_config.json. */
export const beftFormat: ConfigFormat = {
  classic: [...peftFields, "init_weights"],
  floats: [],
  refused: {},
  ignored: {},
};
