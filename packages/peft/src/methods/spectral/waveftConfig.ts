import { checkFinite, checkFlags, checkInteger, checkOneOf, checkPattern, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { waveletNames } from "./wavelet.ts";

/** Options of `WaveFTConfig`. An option that is omitted has PEFT's default. */
export interface WaveFTOptions extends LayerPeftOptions {
  /** Number of trained wavelet coefficients for each layer. Default: 2592. */
  nFrequency?: number;
  /** Factor by which the inverse transform is multiplied before it is added to the weight. Default: 25. */
  scaling?: number;
  /** The wavelet: "db1" (Haar) to "db10", "sym2" to "sym10", or "coif1" to "coif4". Default: "db1". */
  waveletFamily?: string;
  /** True: the coefficients are transformed. False: they are elements of the update themselves. Default: true. */
  useIdwt?: boolean;
  /** Seed for the random positions of the coefficients. They are the same as PyTorch's. Default: 777. */
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
   * True: the coefficients of all layers together, `nFrequency` times the number of layers, are shared out in
   * proportion to the sizes of the weights. `nFrequencyPattern` then has no effect. Default: false.
   */
  proportionalParameters?: boolean;
  /** True: all coefficients start at zero. False: they are drawn from N(0, 0.01²). Default: true. */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "waveft_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of WaveFT (Bilican et al. 2025, https://arxiv.org/abs/2505.12532). Throws for values out of range. */
export class WaveFTConfig extends LayerPeftConfig {
  readonly nFrequency: number = 2592;
  readonly scaling: number = 25;
  readonly waveletFamily: string = "db1";
  readonly useIdwt: boolean = true;
  readonly randomLocSeed: number = 777;
  readonly fanInFanOut: boolean = false;
  readonly nFrequencyPattern: Readonly<Record<string, number>> = {};
  readonly proportionalParameters: boolean = false;
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: WaveFTOptions = {}) {
    super("WAVEFT", options);
    setOptions(this, options, waveftFormat);
    checkInteger(this, "nFrequency", this.nFrequency);
    checkFinite(this, "scaling", this.scaling);
    checkOneOf(this, "waveletFamily", this.waveletFamily, waveletNames());
    checkInteger(this, "randomLocSeed", this.randomLocSeed, Number.MIN_SAFE_INTEGER);
    checkPattern(this, "nFrequencyPattern", this.nFrequencyPattern, checkInteger);
    const { useIdwt, proportionalParameters, initWeights } = this;
    checkFlags(this, { useIdwt, proportionalParameters, initWeights });
    checkBias(this);
  }
}

/** Rules for reading and writing WaveFT's configuration in adapter_config.json. */
export const waveftFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_weights",
    "n_frequency",
    "n_frequency_pattern",
    "proportional_parameters",
    "random_loc_seed",
    "scaling",
    "use_idwt",
    "wavelet_family",
  ],
  floats: ["scaling"],
  refused: {},
  ignored: {},
};
