import { checkDropout, checkFinite, checkInteger, checkOneOf, checkPattern, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `DeloraConfig`. An option that is omitted has PEFT's default. */
export interface DeloraOptions extends LayerPeftOptions {
  /** The rank. Default: 8. */
  r?: number;
  /** The initial strength λ, which bounds the size of the update. Default: 15. */
  deloraLambda?: number;
  /** Dropout on the adapter's input during training. Default: 0. */
  moduleDropout?: number;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /**
   * Ranks for modules that need another rank than `r`. A key is a regular expression for a module's path, or for the
   * last components of a path, such as a module's name.
   */
  rankPattern?: Readonly<Record<string, number>>;
  /** Values of λ for modules that need another λ than `deloraLambda`, with keys as in `rankPattern`. */
  lambdaPattern?: Readonly<Record<string, number>>;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of DeLoRA (Bini et al. 2025, https://arxiv.org/abs/2503.18225). Throws for values out of range. */
export class DeloraConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly deloraLambda: number = 15;
  readonly moduleDropout: number = 0;
  readonly initWeights: boolean = true;
  readonly rankPattern: Readonly<Record<string, number>> = {};
  readonly lambdaPattern: Readonly<Record<string, number>> = {};
  readonly bias: TrainedBiases = "none";

  constructor(options: DeloraOptions = {}) {
    super("DELORA", options);
    setOptions(this, options, deloraFormat);
    checkInteger(this, "r", this.r);
    checkFinite(this, "deloraLambda", this.deloraLambda);
    checkDropout(this, "moduleDropout", this.moduleDropout);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkPattern(this, "rankPattern", this.rankPattern, checkInteger);
    checkPattern(this, "lambdaPattern", this.lambdaPattern, checkFinite);
    checkBias(this);
  }
}

/** Rules for reading and writing DeLoRA's configuration in adapter_config.json. */
export const deloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "delora_lambda",
    "init_weights",
    "lambda_pattern",
    "module_dropout",
    "r",
    "rank_pattern",
  ],
  floats: ["module_dropout"],
  refused: {},
  ignored: {},
};
