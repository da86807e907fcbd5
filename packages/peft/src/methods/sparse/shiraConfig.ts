import { checkInteger, checkOneOf, refuse, refuseExclusion, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `ShiraConfig`. An option that is omitted has PEFT's default. */
export interface ShiraOptions extends PeftOptions {
  /** Sets how many weights of a layer are trained: r (in + out), as many as LoRA of rank r trains. Default: 32. */
  r?: number;
  /**
   * Choice of the trained positions. A new adapter requires "random". In a file, another text means that a function of
   * the user chose them; the file contains them. Default: "random".
   */
  maskType?: string;
  /**
   * Seed of the random positions. They are the same as PyTorch's. Null: the seed of a new generator of PyTorch, which
   * is always 67280421310721. Default: null.
   */
  randomSeed?: number | null;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field to false, since SHiRA does not
   * adapt such layers.
   */
  fanInFanOut?: boolean;
  /** True: the changes start at zero. False: they are drawn from N(0, 1). Default: true. */
  initWeights?: boolean;
}

/** Configuration of SHiRA (Bhardwaj et al. 2024, https://arxiv.org/abs/2406.13175). Throws for values out of range. */
export class ShiraConfig extends PeftConfig {
  readonly r: number = 32;
  readonly maskType: string = "random";
  readonly randomSeed: number | null = null;
  readonly fanInFanOut: boolean = false;
  readonly initWeights: boolean = true;

  constructor(options: ShiraOptions = {}) {
    super("SHIRA", options);
    setOptions(this, options, shiraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    if (typeof this.maskType !== "string") refuse(this, "maskType", this.maskType, "a text");
    if (this.randomSeed !== null) checkInteger(this, "randomSeed", this.randomSeed, Number.MIN_SAFE_INTEGER);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
  }
}

/** Rules for reading and writing SHiRA's configuration in adapter_config.json. */
export const shiraFormat: ConfigFormat = {
  classic: [...peftFields, "fan_in_fan_out", "init_weights", "mask_type", "r", "random_seed"],
  floats: [],
  refused: {},
  ignored: {},
};
