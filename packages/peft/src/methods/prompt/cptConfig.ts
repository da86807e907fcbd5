import { checkFinite, checkOneOf, isList, refuse, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { PromptLearningConfig, type PromptLearningOptions, promptFields } from "../../config/promptLearningConfig.ts";

/** Options of `CPTConfig`. */
export interface CPTOptions extends Omit<PromptLearningOptions, "numVirtualTokens"> {
  /** Number of virtual tokens. It follows from `cptTokenIds`. */
  numVirtualTokens?: number | null;
  /** Ids of the tokens of the context, whose embeddings the virtual tokens start from. Default: [0]. */
  cptTokenIds?: readonly number[] | null;
  /** The context's attention mask. As in PEFT, only its length is checked. Default: ones. */
  cptMask?: readonly number[] | null;
  /**
   * The type of each token of the context. The remainder of a type divided by 4 gives its part of an example: 1 is the
   * template of the input, 2 the input, 3 the template of the answer, and 0 the answer. Each example of the context has
   * larger types than the one before: 1 to 4, 5 to 8, ... Answers are labels. They are not
   * trained, and tokens of type 0 are not either. Default: ones.
   */
  cptTokensTypeMask?: readonly number[] | null;
  /**
   * "decay": in each row, the labels of the last type have weight 1, and the weight is multiplied by
   * `optLossDecayFactor` for each earlier type. "none": all labels have weight 1. Default: "none".
   */
  optWeightedLossType?: "none" | "decay";
  /** The factor of "decay". Default: 1. */
  optLossDecayFactor?: number;
  /** Largest L2 norm by which tokens of inputs may change, for 2048 elements. Default: 0.1. */
  optProjectionEpsilon?: number;
  /** Largest L2 norm by which tokens of templates may change, for 2048 elements. Default: 0.1. */
  optProjectionFormatEpsilon?: number;
  /** Name or path of the tokenizer of the context. It has no effect. */
  tokenizerNameOrPath?: string | null;
}

const ownFields = [
  ...["cpt_token_ids", "cpt_mask", "cpt_tokens_type_mask", "tokenizer_name_or_path"],
  ...["opt_weighted_loss_type", "opt_loss_decay_factor", "opt_projection_epsilon", "opt_projection_format_epsilon"],
];

/** Layout of the configuration in adapter_config.json. */
export const cptFormat: ConfigFormat = {
  classic: [...promptFields, ...ownFields],
  floats: ["opt_loss_decay_factor", "opt_projection_epsilon", "opt_projection_format_epsilon"],
  refused: {},
  ignored: {},
};

/** Configuration of context-aware prompt tuning (Blau et al. 2024, https://arxiv.org/abs/2410.17222). */
export class CPTConfig extends PromptLearningConfig {
  readonly cptTokenIds: readonly number[] = [0];
  readonly cptMask: readonly number[] = [1];
  readonly cptTokensTypeMask: readonly number[] = [1];
  readonly optWeightedLossType: "none" | "decay" = "none";
  readonly optLossDecayFactor: number = 1;
  readonly optProjectionEpsilon: number = 0.1;
  readonly optProjectionFormatEpsilon: number = 0.1;
  readonly tokenizerNameOrPath: string | null = null;

  constructor(options: CPTOptions = {}) {
    super("CPT", counted(options));
    setOptions(this, counted(options), cptFormat);
    if (this.taskType !== "CAUSAL_LM") {
      refuse(this, "taskType", this.taskType, '"CAUSAL_LM", since the method trains language models alone');
    }
    const { cptTokenIds: ids } = this;
    if (!isList(ids, (id) => Number.isSafeInteger(id) && (id as number) >= 0) || ids.length === 0) {
      refuse(this, "cptTokenIds", ids, "a list of token ids, at least one");
    }
    const ones = ids.map(() => 1);
    this.cptMask = options.cptMask ?? ones;
    this.cptTokensTypeMask = options.cptTokensTypeMask ?? ones;
    for (const key of ["cptMask", "cptTokensTypeMask"] as const) {
      const mask = this[key];
      if (!isList(mask, Number.isSafeInteger) || mask.length !== ids.length) {
        refuse(this, key, mask, `a list of ${ids.length} integers, one for each of cptTokenIds`);
      }
    }
    const count = options.numVirtualTokens ?? ids.length;
    if (count !== ids.length) refuse(this, "numVirtualTokens", count, `${ids.length}, the number of cptTokenIds`);
    checkOneOf(this, "optWeightedLossType", this.optWeightedLossType, ["none", "decay"]);
    checkFinite(this, "optLossDecayFactor", this.optLossDecayFactor);
    for (const key of ["optProjectionEpsilon", "optProjectionFormatEpsilon"] as const) {
      if (!(Number.isFinite(this[key]) && this[key] >= 0)) refuse(this, key, this[key], "a number of at least 0");
    }
  }
}

/** Returns options with the number of virtual tokens that follows from `cptTokenIds`. */
function counted(options: CPTOptions): PromptLearningOptions {
  return { ...options, numVirtualTokens: options.cptTokenIds?.length || 1 };
}
