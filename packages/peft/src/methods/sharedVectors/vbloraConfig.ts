import { checkDropout, checkFinite, checkInteger, checkOneOf, refuse, setOptions } from "../../config/checks.ts";
import {
  checkBias,
  LayerPeftConfig,
  type LayerPeftOptions,
  layerFields,
  type TrainedBiases,
} from "../../config/layerPeftConfig.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";

/** Options of `VBLoRAConfig`. An option that is omitted has PEFT's default. */
export interface VBLoRAOptions extends LayerPeftOptions {
  /** The rank. Default: 4. */
  r?: number;
  /** Number of vectors in the bank. Default: 256. */
  numVectors?: number;
  /** Length of each vector. It must divide the number of inputs and of outputs of every adapted layer. Default: 256. */
  vectorLength?: number;
  /** Number of bank vectors that are mixed for each piece (`vectorLength` elements) of A and B. Default: 2. */
  topk?: number;
  /**
   * True if files contain only the indices and weights of the top-k vectors instead of all logits. Such files are much
   * smaller, but the adapter cannot be trained further. Default: false.
   */
  saveOnlyTopkWeights?: boolean;
  /** Dropout on the input of A during training. Default: 0. */
  vbloraDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /** Bound of the bank's initial values, which are drawn uniformly from [-bound, bound). Default: 0.02. */
  initVectorBankBound?: number;
  /** The standard deviation of the initial logits. Default: 0.1. */
  initLogitsStd?: number;
  /**
   * Biases of the base model that are also trained: "none", "all", or only the biases of adapted layers. For the last
   * choice, give any name that ends in "_only", such as "lora_only". Default: "none".
   */
  bias?: TrainedBiases;
}

/** Configuration of VB-LoRA (Li et al. 2024, https://arxiv.org/abs/2405.15179). Throws for values out of range. */
export class VBLoRAConfig extends LayerPeftConfig {
  readonly r: number = 4;
  readonly numVectors: number = 256;
  readonly vectorLength: number = 256;
  readonly topk: number = 2;
  readonly saveOnlyTopkWeights: boolean = false;
  readonly vbloraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly initVectorBankBound: number = 0.02;
  readonly initLogitsStd: number = 0.1;
  readonly bias: TrainedBiases = "none";

  constructor(options: VBLoRAOptions = {}) {
    super("VBLORA", options);
    setOptions(this, options, vbloraFormat);
    checkInteger(this, "r", this.r);
    checkInteger(this, "numVectors", this.numVectors);
    checkInteger(this, "vectorLength", this.vectorLength);
    checkInteger(this, "topk", this.topk);
    checkOneOf(this, "saveOnlyTopkWeights", this.saveOnlyTopkWeights, [true, false]);
    checkDropout(this, "vbloraDropout", this.vbloraDropout);
    checkFinite(this, "initVectorBankBound", this.initVectorBankBound);
    checkFinite(this, "initLogitsStd", this.initLogitsStd);
    checkBias(this);
    if (this.topk > this.numVectors)
      refuse(this, "topk", this.topk, (named) => `at most ${named("numVectors")} (${this.numVectors})`);
  }
}

/** Rules for reading and writing VB-LoRA's configuration in adapter_config.json. */
export const vbloraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "bias",
    "fan_in_fan_out",
    "init_logits_std",
    "init_vector_bank_bound",
    "num_vectors",
    "r",
    "save_only_topk_weights",
    "topk",
    "vblora_dropout",
    "vector_length",
  ],
  floats: ["init_logits_std", "init_vector_bank_bound", "vblora_dropout"],
  refused: {},
  ignored: {},
};
