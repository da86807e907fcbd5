import { checkInteger, refuse } from "./checks.ts";
import { PeftConfig, type PeftOptions } from "./peftConfig.ts";

/** Options of all prompt methods. Sizes follow from the model; given ones must agree with it. */
export interface PromptLearningOptions extends Omit<PeftOptions, "targetModules" | "excludeModules"> {
  /** Number of virtual tokens before each sequence. */
  numVirtualTokens: number;
  /**
   * The width of their rows: the hidden size, or the width of all key heads of a layer together.
   */
  tokenDim?: number | null;
  /** 1; encoders with a decoder, which have 2, are not supported. */
  numTransformerSubmodules?: number | null;
  numAttentionHeads?: number | null;
  numLayers?: number | null;
}

/**
 * The configuration of a prompt method, PEFT's PromptLearningConfig. `taskType` is
 * "CAUSAL_LM" unless it is said.
 */
export abstract class PromptLearningConfig extends PeftConfig {
  /** Null in defaults only. */
  readonly numVirtualTokens: number | null;
  readonly tokenDim: number | null;
  readonly numTransformerSubmodules: number | null;
  readonly numAttentionHeads: number | null;
  readonly numLayers: number | null;

  constructor(peftType: string, options: PromptLearningOptions) {
    super(peftType, { ...options, taskType: options.taskType ?? "CAUSAL_LM" });
    this.numVirtualTokens = options.numVirtualTokens ?? null;
    this.tokenDim = options.tokenDim ?? null;
    this.numTransformerSubmodules = options.numTransformerSubmodules ?? null;
    this.numAttentionHeads = options.numAttentionHeads ?? null;
    this.numLayers = options.numLayers ?? null;
    for (const key of ["numVirtualTokens", "tokenDim", "numAttentionHeads", "numLayers"] as const) {
      if (this[key] !== null) checkInteger(this, key, this[key]);
    }
    if ((this.numTransformerSubmodules ?? 1) !== 1) {
      refuse(this, "numTransformerSubmodules", this.numTransformerSubmodules, "1: decoders and encoders alone");
    }
    for (const key of ["targetModules", "excludeModules"] as const) {
      if (this[key] !== null) refuse(this, key, this[key], "left out: virtual tokens stand before the whole model");
    }
  }
}

/** With all sizes said. */
export type ResolvedPromptConfig<C extends PromptLearningConfig = PromptLearningConfig> = C & {
  readonly [K in
    | "numVirtualTokens"
    | "tokenDim"
    | "numTransformerSubmodules"
    | "numAttentionHeads"
    | "numLayers"]: number;
};

/** Fields that files of all prompt methods hold. (`modules_to_save` is newer than they are.) */
export const promptFields = [
  "task_type",
  "base_model_name_or_path",
  "revision",
  "num_virtual_tokens",
  "token_dim",
  "num_transformer_submodules",
  "num_attention_heads",
  "num_layers",
] as const;
