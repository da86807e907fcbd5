import { checkOneOf, refuse, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import { PromptLearningConfig, type PromptLearningOptions, promptFields } from "../../config/promptLearningConfig.ts";
import { PromptTable } from "../../prompt/promptEncoder.ts";
import { modulesToSaveOption, virtualTokensOption } from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptMethod } from "../shared/method.ts";
import { startingEmbedding } from "./startingEmbedding.ts";

/** Options of `PromptTuningConfig`. */
export interface PromptTuningOptions extends PromptLearningOptions {
  /**
   * Initialisation of the virtual tokens. "RANDOM": N(0, 1). "SAMPLE_VOCAB": the embeddings of random tokens. "TEXT":
   * the embeddings of the tokens of `promptTuningInitText`. Default: "RANDOM".
   */
  promptTuningInit?: "RANDOM" | "SAMPLE_VOCAB" | "TEXT";
  /** The initial text for "TEXT". Its tokens are repeated or cut to the number of virtual tokens. */
  promptTuningInitText?: string | null;
  /**
   * Name or path from which PEFT loads the tokenizer for the initial text. Lowrank does not load it: pass the tokenizer
   * to `getPeftModel`.
   */
  tokenizerNameOrPath?: string | null;
}

const promptTuningFormat: ConfigFormat = {
  classic: [...promptFields, "prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path"],
  floats: [],
  refused: {},
  ignored: { tokenizer_kwargs: null },
};

/** Configuration of prompt tuning (Lester et al. 2021, https://arxiv.org/abs/2104.08691). */
export class PromptTuningConfig extends PromptLearningConfig {
  readonly promptTuningInit: "RANDOM" | "SAMPLE_VOCAB" | "TEXT" = "RANDOM";
  readonly promptTuningInitText: string | null = null;
  readonly tokenizerNameOrPath: string | null = null;

  constructor(options: PromptTuningOptions) {
    super("PROMPT_TUNING", options);
    setOptions(this, options, promptTuningFormat);
    checkOneOf(this, "promptTuningInit", this.promptTuningInit, ["RANDOM", "SAMPLE_VOCAB", "TEXT"]);
    if (this.promptTuningInit !== "TEXT") return;
    for (const key of ["promptTuningInitText", "tokenizerNameOrPath"] as const) {
      if (!this[key]) refuse(this, key, this[key], 'set, since promptTuningInit is "TEXT"');
    }
  }
}

/**
 * Prompt tuning: trained embeddings (virtual tokens) in front of the sequence's token embeddings. Lester et al. 2021,
 * https://arxiv.org/abs/2104.08691
 */
export const promptTuning: PromptMethod<PromptTuningConfig> = definePromptMethod({
  peftType: "PROMPT_TUNING",
  sizes: ["numVirtualTokens"],
  Config: PromptTuningConfig,
  format: promptTuningFormat,
  recipes: [
    {
      name: "prompt",
      title: "prompt tuning",
      learningRate: 3e-1,
      config: ({ virtualTokens }) => new PromptTuningConfig({ numVirtualTokens: virtualTokens }),
    },
  ],
  options: [
    virtualTokensOption,
    modulesToSaveOption,
    {
      field: "promptTuningInit",
      flag: "prompt-tuning-init",
      type: "oneOf",
      values: ["RANDOM", "SAMPLE_VOCAB", "TEXT"],
      help: "initial values of the rows",
    },
    { field: "promptTuningInitText", flag: "prompt-tuning-init-text", type: "text", help: "the text of TEXT" },
    {
      field: "tokenizerNameOrPath",
      flag: "tokenizer-name-or-path",
      type: "text",
      help: "what PEFT loads the tokenizer of TEXT by",
    },
  ],
  kind: "embeddings",
  width: ({ tokenDim }) => tokenDim,
  trainsRows: () => true,
  swappable: { fields: ["promptTuningInit", "promptTuningInitText", "tokenizerNameOrPath"] },
  createEncoder: (context) => new PromptTable(startingEmbedding(context)),
});
