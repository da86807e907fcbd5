import { checkOneOf, isNamesOrText, refuse, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `IA3Config`. An option that is omitted has PEFT's default. */
export interface IA3Options extends PeftOptions {
  /**
   * The target modules whose input is scaled instead of their output: ends of module paths, or a regular expression.
   * Default: depends on `model_type`.
   */
  feedforwardModules?: readonly string[] | string | null;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** True: all factors start at 1, so that outputs do not change. False: they are drawn from N(0, 1). Default: true. */
  initIa3Weights?: boolean;
}

/** Configuration of (IA)³ (Liu et al. 2022, https://arxiv.org/abs/2205.05638). Throws for values out of range. */
export class IA3Config extends PeftConfig {
  readonly feedforwardModules: readonly string[] | string | null = null;
  readonly fanInFanOut: boolean = false;
  readonly initIa3Weights: boolean = true;

  constructor(options: IA3Options = {}) {
    super("IA3", options);
    setOptions(this, options, ia3Format);
    checkOneOf(this, "initIa3Weights", this.initIa3Weights, [true, false]);
    const { feedforwardModules, targetModules } = this;
    if (feedforwardModules !== null && !isNamesOrText(feedforwardModules)) {
      refuse(this, "feedforwardModules", feedforwardModules, "null, a list of names or a text");
    }
    if (!Array.isArray(feedforwardModules) || !Array.isArray(targetModules)) return;
    const others = feedforwardModules.filter((name) => !targetModules.includes(name));
    if (others.length > 0)
      refuse(
        this,
        "feedforwardModules",
        feedforwardModules,
        (named) => `a part of ${named("targetModules")}, which lack ${others.join(", ")}`,
      );
  }
}

/** Rules for reading and writing (IA)³'s configuration in adapter_config.json. */
export const ia3Format: ConfigFormat = {
  classic: [...peftFields, "fan_in_fan_out", "feedforward_modules", "init_ia3_weights"],
  floats: [],
  refused: {},
  ignored: {},
};
