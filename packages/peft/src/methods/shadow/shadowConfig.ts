import { checkDropout, checkFinite, checkFlags, checkInteger, refuse, setOptions } from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, peftFields } from "../../config/peftConfig.ts";

/** Options of `ShadowConfig`. */
export interface ShadowOptions extends PeftOptions {
  /** Rank of the product that adds the difference of the two hidden states to a block's input. Default: 8. */
  r?: number;
  /** The factor of that product. Default: 0.1. */
  shadowAlpha?: number;
  /** Dropout probability of the difference during training. Default: 0.2. */
  shadowDropout?: number;
  /** True: the factor B starts at zero, so that a new adapter does not change outputs. Default: true. */
  initWeights?: boolean;
  /**
   * The second decoder. "mirror": a new decoder with the config of the base model and fewer blocks. Otherwise the
   * folder, address or `hf://` name of a decoder's checkpoint. Default: "mirror".
   */
  shadowModel?: string;
  /** Number of blocks of a mirror. Default: 1. */
  shadowNumHiddenLayers?: number | null;
  /** Hidden size of a mirror. Default: the base model's. */
  shadowHiddenSize?: number | null;
  /** Number of attention heads of a mirror. Default: the base model's. */
  shadowNumAttentionHeads?: number | null;
  /** Width of the MLP of a mirror. Default: the base model's. */
  shadowIntermediateSize?: number | null;
  /** True: a mirror of the base model's hidden size uses the base model's token embeddings. Default: true. */
  shareEmbeddings?: boolean;
  /** Width of the two MLPs that update the shadow's hidden state. Default: `r`. */
  updateHiddenSize?: number | null;
  /** The factor of the second decoder's own loss, which is added to the model's loss. 0: not added. Default: 0.05. */
  auxiliaryLossWeight?: number;
}

const mirrorFields = [
  "shadowNumHiddenLayers",
  "shadowHiddenSize",
  "shadowNumAttentionHeads",
  "shadowIntermediateSize",
] as const;

/** Layout of the configuration in adapter_config.json. */
export const shadowFormat: ConfigFormat = {
  classic: [
    ...peftFields,
    ...["exclude_modules", "r", "shadow_alpha", "shadow_dropout", "init_weights", "shadow_model"],
    ...["shadow_num_hidden_layers", "shadow_hidden_size", "shadow_num_attention_heads", "shadow_intermediate_size"],
    ...["share_embeddings", "update_hidden_size", "auxiliary_loss_weight"],
  ],
  floats: ["shadow_alpha", "shadow_dropout", "auxiliary_loss_weight"],
  // PEFT 0.21.2 ignores these fields for targets that are full paths, and finds no block with them for others.
  refused: { layers_to_transform: null, layers_pattern: null },
  ignored: {},
};

/**
 * Configuration of Shadow: a second, small decoder, and a change of every block's input by the difference of the two
 * hidden states. Li et al. 2026, https://arxiv.org/abs/2604.19254
 */
export class ShadowConfig extends PeftConfig {
  readonly r: number = 8;
  readonly shadowAlpha: number = 0.1;
  readonly shadowDropout: number = 0.2;
  readonly initWeights: boolean = true;
  readonly shadowModel: string = "mirror";
  readonly shadowNumHiddenLayers: number | null = null;
  readonly shadowHiddenSize: number | null = null;
  readonly shadowNumAttentionHeads: number | null = null;
  readonly shadowIntermediateSize: number | null = null;
  readonly shareEmbeddings: boolean = true;
  readonly updateHiddenSize: number | null = null;
  readonly auxiliaryLossWeight: number = 0.05;

  constructor(options: ShadowOptions = {}) {
    super("SHADOW", options);
    setOptions(this, options, shadowFormat);
    checkInteger(this, "r", this.r);
    checkDropout(this, "shadowDropout", this.shadowDropout);
    checkFlags(this, { initWeights: this.initWeights, shareEmbeddings: this.shareEmbeddings });
    for (const key of ["shadowAlpha", "auxiliaryLossWeight"] as const) checkFinite(this, key, this[key]);
    for (const key of [...mirrorFields, "updateHiddenSize"] as const) {
      // As in PEFT, 0 stands for the default of these sizes.
      const least = key === "shadowNumHiddenLayers" || key === "updateHiddenSize" ? 0 : 1;
      if (this[key] !== null) checkInteger(this, key, this[key], least);
    }
    if (typeof this.shadowModel !== "string" || this.shadowModel === "") {
      refuse(this, "shadowModel", this.shadowModel, '"mirror", or the folder, address or hf:// name of a checkpoint');
    }
    if (this.shadowModel === "mirror") return;
    for (const key of mirrorFields) {
      if (this[key] !== null) refuse(this, key, this[key], "left out, since the checkpoint of shadowModel sets it");
    }
  }
}
