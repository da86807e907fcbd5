import { setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/**
 * Configuration of BitFit (Ben Zaken et al. 2021, https://arxiv.org/abs/2106.10199). `targetModules` selects the
 * modules whose biases train; default: all. PEFT lacks this method and cannot read the files.
 */
export class BitFitConfig extends PeftConfig {
  constructor(options: PeftOptions = {}) {
    super("BITFIT", options);
    setOptions(this, options, bitFitFormat);
  }
}

/** Rules for reading and writing BitFit's configuration in adapter_config.json. */
export const bitFitFormat: ConfigFormat = {
  classic: peftFields,
  floats: [],
  refused: {},
  ignored: {},
};
