import { checkFinite, checkInteger, checkOneOf, checkPattern, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `FourierFTConfig`. An option that is omitted has PEFT's default. */
export interface FourierFTOptions extends LayerPeftOptions {
  /** Number of trained spectrum coefficients for each layer. Default: 1000. */
  nFrequency?: number;
  /** Factor by which the inverse transform is multiplied before it is added to the weight. Default: 150. */
  scaling?: number;
  /**
   * Seed for the random positions of the coefficients in the spectrum. They are the same as PyTorch's. Default: 777.
   */
  randomLocSeed?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Number of coefficients for layers that need another number than `nFrequency`. A key is the end of a module path,
   * after a dot.
   */
  nFrequencyPattern?: Readonly<Record<string, number>>;
  /**
   * True: all coefficients start at zero, so that outputs do not change. False: random values, as in PEFT. Default:
   * false.
   */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of FourierFT (Gao et al. 2024, https://arxiv.org/abs/2405.03003). Throws for values out of range. */
export class FourierFTConfig extends LayerPeftConfig {
  readonly nFrequency: number = 1000;
  readonly scaling: number = 150;
  readonly randomLocSeed: number = 777;
  readonly fanInFanOut: boolean = false;
  readonly nFrequencyPattern: Readonly<Record<string, number>> = {};
  readonly initWeights: boolean = false;
  readonly bias: TrainedBiases = "none";

  constructor(options: FourierFTOptions = {}) {
    super("FOURIERFT", options);
    setOptions(this, options, fourierftFormat);
    checkInteger(this, "nFrequency", this.nFrequency);
    checkFinite(this, "scaling", this.scaling);
    checkInteger(this, "randomLocSeed", this.randomLocSeed, Number.MIN_SAFE_INTEGER);
    checkPattern(this, "nFrequencyPattern", this.nFrequencyPattern, checkInteger);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
  }
}

/** Rules for reading and writing FourierFT's configuration in adapter_config.json. */
export const fourierftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_weights",
    "n_frequency",
    "n_frequency_pattern",
    "random_loc_seed",
    "scaling",
  ],
  floats: ["scaling"],
  refused: {},
  ignored: {},
};
