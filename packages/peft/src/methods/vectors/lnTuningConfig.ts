import { setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/**
 * Configuration of LN tuning (Zhao et al. 2023, https://arxiv.org/abs/2312.11420). It has only the fields that all
 * methods share.
 */
export class LNTuningConfig extends PeftConfig {
  constructor(options: PeftOptions = {}) {
    super("LN_TUNING", options);
    setOptions(this, options, lnTuningFormat);
  }
}

/** Rules for reading and writing LN tuning's configuration in adapter_config.json. */
export const lnTuningFormat: ConfigFormat = {
  classic: peftFields,
  floats: [],
  refused: {},
  ignored: {},
};
