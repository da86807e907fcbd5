import { checkDropout, checkFinite, checkFlags, checkInteger, checkPattern } from "../../config/checks.ts";
import { type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat, PeftConfig } from "../../config/peftConfig.ts";

/** Options that LoHa and LoKr share. */
export interface LycorisOptions extends LayerPeftOptions {
  /** The rank. Default: 8. */
  r?: number;
  /** Alpha in the scaling alpha / r. Default: 8. */
  alpha?: number;
  /** Probability of dropping the adapter's update of an output feature during training. Default: 0. */
  rankDropout?: number;
  /** Probability of skipping the whole adapter of a layer during training. Default: 0. */
  moduleDropout?: number;
  /**
   * Ranks for modules that need another rank than `r`. A key is a regular expression for a module's path, or for the
   * last components of a path, such as a module's name.
   */
  rankPattern?: Readonly<Record<string, number>>;
  /**
   * True: on convolutions, factors the filters into a small tensor and two matrices, unless filters have one element.
   * This is Proposition 3 of FedPara. Default: false.
   */
  useEffectiveConv2d?: boolean;
  /** Alphas for modules that need another alpha than `alpha`, with keys as in `rankPattern`. */
  alphaPattern?: Readonly<Record<string, number>>;
}

/** Throws if an option that LoHa and LoKr share is out of range. */
export function checkLycoris(config: PeftConfig & Required<Omit<LycorisOptions, keyof LayerPeftOptions>>): void {
  checkInteger(config, "r", config.r);
  checkPattern(config, "rankPattern", config.rankPattern, checkInteger);
  checkFinite(config, "alpha", config.alpha);
  checkPattern(config, "alphaPattern", config.alphaPattern, checkFinite);
  checkFlags(config, { useEffectiveConv2d: config.useEffectiveConv2d });
  for (const key of ["rankDropout", "moduleDropout"] as const) checkDropout(config, key, config[key]);
}

/** Rules for reading and writing the shared options in adapter_config.json. */
export const lycorisFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "alpha",
    "alpha_pattern",
    "init_weights",
    "module_dropout",
    "r",
    "rank_dropout",
    "rank_pattern",
    "use_effective_conv2d",
  ],
  floats: ["rank_dropout", "module_dropout"],
  refused: {},
  ignored: {},
};
