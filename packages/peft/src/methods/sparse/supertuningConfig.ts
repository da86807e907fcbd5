import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  refuse,
  refuseExclusion,
  setOptions,
} from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `SupertuningConfig`. An option that is omitted has PEFT's default. */
export interface SupertuningOptions extends PeftOptions {
  /** The share of a weight's elements that do not train, from 0 up to but excluding 1. Default: 0.99. */
  sparsity?: number;
  /** True: the elements with the largest magnitudes train. False: those with the smallest. Default: true. */
  selectTop?: boolean;
  /** Rank of a LoRA that is added ("Supra"). Null: no LoRA. Default: null. */
  r?: number | null;
  /** The LoRA is multiplied by loraAlpha / r. Requires `r`. Default: 2 r. */
  loraAlpha?: number | null;
  /** Dropout on the input of the LoRA during training. Default: 0. */
  loraDropout?: number;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /**
   * True if files contain the positions of the trained elements. If not, loading finds them again in the base weights.
   * Then no two trained elements may have equal magnitudes. Weights in half precision nearly always have equal ones, so
   * keep true for them. Default: true.
   */
  savePrecomputedIndices?: boolean;
}

/** Configuration of Super-Tuning (https://arxiv.org/abs/2607.09287). Throws for values out of range. */
export class SupertuningConfig extends PeftConfig {
  readonly sparsity: number = 0.99;
  readonly selectTop: boolean = true;
  readonly r: number | null = null;
  readonly loraAlpha: number | null = null;
  readonly loraDropout: number = 0;
  readonly initWeights: boolean = true;
  readonly savePrecomputedIndices: boolean = true;

  constructor(options: SupertuningOptions = {}) {
    super("SUPERTUNING", options);
    setOptions(this, options, supertuningFormat);
    refuseExclusion(this);
    checkDropout(this, "sparsity", this.sparsity);
    if (this.r !== null) {
      checkInteger(this, "r", this.r);
      this.loraAlpha ??= 2 * this.r;
    } else if (this.loraAlpha !== null) {
      refuse(this, "loraAlpha", this.loraAlpha, (named) => `null, since ${named("r")} is null`);
    }
    if (this.loraAlpha !== null) checkFinite(this, "loraAlpha", this.loraAlpha);
    checkDropout(this, "loraDropout", this.loraDropout);
    const { selectTop, initWeights, savePrecomputedIndices } = this;
    checkFlags(this, { selectTop, initWeights, savePrecomputedIndices });
  }
}

/** Rules for reading and writing Super-Tuning's configuration in adapter_config.json. */
export const supertuningFormat: ConfigFormat = {
  classic: [
    ...peftFields,
    "init_weights",
    "lora_alpha",
    "lora_dropout",
    "r",
    "save_precomputed_indices",
    "select_top",
    "sparsity",
  ],
  floats: ["lora_dropout", "sparsity"],
  refused: {},
  ignored: {},
};
