import { checkInteger, checkOneOf, refuseExclusion, setOptions } from "../../config/checks.ts";
import { checkBias, type TrainedBiases } from "../../config/layerPeftConfig.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/**
 * Form of a path of GLoRA. "lora": a product of rank r. "vector": one value for each output (for C, each input).
 * "constant": a single value. "none": the path is left out.
 */
export type GloraPath = "lora" | "vector" | "constant" | "none";

/** Options of `GloraConfig`. An option that is omitted has PEFT's default. */
export interface GloraOptions extends PeftOptions {
  /** Rank of the paths with the form "lora". Default: 8. */
  r?: number;
  /** Form of A and B, which scale and shift the weight. Default: "lora". */
  configAB?: GloraPath;
  /** Form of C, which adds W C to the bias. Default: "lora". */
  configC?: Exclude<GloraPath, "constant">;
  /** Form of D and E, which scale and shift the bias. Default: "constant". */
  configDE?: Exclude<GloraPath, "lora">;
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initWeights?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "glora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of GLoRA (Chavan et al. 2023, https://arxiv.org/abs/2306.07967). Throws for values out of range. */
export class GloraConfig extends PeftConfig {
  readonly r: number = 8;
  readonly configAB: GloraPath = "lora";
  readonly configC: Exclude<GloraPath, "constant"> = "lora";
  readonly configDE: Exclude<GloraPath, "lora"> = "constant";
  readonly initWeights: boolean = true;
  readonly bias: TrainedBiases = "none";

  constructor(options: GloraOptions = {}) {
    super("GLORA", options);
    setOptions(this, options, gloraFormat);
    refuseExclusion(this);
    checkInteger(this, "r", this.r);
    checkOneOf(this, "configAB", this.configAB, ["lora", "vector", "constant", "none"]);
    checkOneOf(this, "configC", this.configC, ["lora", "vector", "none"]);
    checkOneOf(this, "configDE", this.configDE, ["vector", "constant", "none"]);
    checkOneOf(this, "initWeights", this.initWeights, [true, false]);
    checkBias(this);
  }
}

/** Rules for reading and writing GLoRA's configuration in adapter_config.json. */
export const gloraFormat: ConfigFormat = {
  classic: [...peftFields, "bias", "config_A_B", "config_C", "config_D_E", "init_weights", "r"],
  floats: [],
  spelling: { configAB: "config_A_B", configC: "config_C", configDE: "config_D_E" },
  refused: {},
  ignored: {},
};
