import { checkInteger, refuse } from "./checks.ts";
import { fillFields, PeftConfig, type PeftOptions } from "./peftConfig.ts";

/** Options of all prompt methods. Omitted sizes are taken from the model; given sizes must agree with it. */
export interface PromptLearningOptions extends Omit<PeftOptions, "targetModules" | "excludeModules"> {
  /** Number of virtual tokens before each sequence. */
  numVirtualTokens: number;
  /** Width of one virtual token: the hidden size, or for prefix tuning the total width of a layer's key heads. */
  tokenDim?: number | null;
  /** Must be 1. PEFT sets 2 for encoder-decoder models, which are not supported. */
  numTransformerSubmodules?: number | null;
  numAttentionHeads?: number | null;
  numLayers?: number | null;
}

/** The configuration of a prompt method, like PEFT's PromptLearningConfig. `taskType` defaults to "CAUSAL_LM". */
export abstract class PromptLearningConfig extends PeftConfig {
  /**
   * Number of virtual tokens. It is null only in a configuration that the library itself creates, to read the default
   * values of a method's options.
   */
  readonly numVirtualTokens: number | null = null;
  readonly tokenDim: number | null = null;
  readonly numTransformerSubmodules: number | null = null;
  readonly numAttentionHeads: number | null = null;
  readonly numLayers: number | null = null;

  constructor(peftType: string, options: PromptLearningOptions) {
    super(peftType, { ...options, taskType: options.taskType ?? "CAUSAL_LM" });
    fillFields(this, options);
    for (const key of ["numVirtualTokens", "tokenDim", "numAttentionHeads", "numLayers"] as const) {
      if (this[key] !== null) checkInteger(this, key, this[key]);
    }
    if ((this.numTransformerSubmodules ?? 1) !== 1) {
      refuse(
        this,
        "numTransformerSubmodules",
        this.numTransformerSubmodules,
        "1, since encoder-decoder models are not supported",
      );
    }
    for (const key of ["targetModules", "excludeModules"] as const) {
      if (this[key] !== null)
        refuse(this, key, this[key], "left out, since a prompt method acts on the whole model, not on single modules");
    }
  }
}

/** A prompt method's configuration with all sizes set. */
export type ResolvedPromptConfig<C extends PromptLearningConfig = PromptLearningConfig> = C & {
  readonly [K in
    | "numVirtualTokens"
    | "tokenDim"
    | "numTransformerSubmodules"
    | "numAttentionHeads"
    | "numLayers"]: number;
};

/**
 * Fields, in snake_case, that adapter_config.json contains for every prompt method. PEFT added `modules_to_save` later,
 * so it is written only if it is set.
 */
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
