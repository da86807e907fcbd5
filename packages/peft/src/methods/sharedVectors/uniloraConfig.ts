import {
  checkDropout,
  checkFlags,
  checkInteger,
  checkOneOf,
  refuse,
  refuseExclusion,
  setOptions,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `UniLoraConfig`. An option that is omitted has PEFT's default. */
export interface UniLoraOptions extends LayerPeftOptions {
  /** The rank. Default: 4. */
  r?: number;
  /** Seed of the positions in A and B that share an element of the vector. Default: 42. */
  projSeed?: number;
  /** Length of the trained vector, which all layers share. Default: 256. */
  thetaDLength?: number;
  /** Dropout on the input of A during training. Default: 0. */
  uniloraDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** Biases of the base model that are also trained: none, all, or only in adapted layers. Default: "none". */
  bias?: "none" | "all" | "unilora_only";
  /** Bound of the vector's initial values, which are drawn uniformly from [-bound, bound). Default: 0.02. */
  initThetaDBound?: number;
  /** True: the vector starts with uniform values. False: with normal values of standard deviation 1. Default: true. */
  initWeights?: boolean;
  /**
   * True if adapter files contain the positions and scales of all layers. False: they contain only the vector, and the
   * positions are drawn again from `projSeed`. Default: false.
   */
  saveIndices?: boolean;
}

/** Configuration of Uni-LoRA (Li et al. 2025, https://arxiv.org/abs/2506.00799). Throws for values out of range. */
export class UniLoraConfig extends LayerPeftConfig {
  readonly r: number = 4;
  readonly projSeed: number = 42;
  readonly thetaDLength: number = 256;
  readonly uniloraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: "none" | "all" | "unilora_only" = "none";
  readonly initThetaDBound: number = 0.02;
  readonly initWeights: boolean = true;
  readonly saveIndices: boolean = false;

  constructor(options: UniLoraOptions = {}) {
    super("UNILORA", options);
    setOptions(this, options, uniloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkInteger(this, "projSeed", this.projSeed, 0);
    checkInteger(this, "thetaDLength", this.thetaDLength);
    checkDropout(this, "uniloraDropout", this.uniloraDropout);
    checkOneOf(this, "bias", this.bias, ["none", "all", "unilora_only"]);
    const { initThetaDBound: bound } = this;
    if (!Number.isFinite(bound) || bound <= 0) refuse(this, "initThetaDBound", bound, "a number above 0");
    checkFlags(this, { initWeights: this.initWeights, saveIndices: this.saveIndices });
  }
}

/** Rules for reading and writing Uni-LoRA's configuration in adapter_config.json. */
export const uniloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_theta_d_bound",
    "init_weights",
    "proj_seed",
    "r",
    "save_indices",
    "theta_d_length",
    "unilora_dropout",
  ],
  floats: ["init_theta_d_bound", "unilora_dropout"],
  refused: {},
  ignored: {},
};
