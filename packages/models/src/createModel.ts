import type { CausalLM } from "./causalLM.ts";
import type { ModelConfig } from "./config/modelConfig.ts";
import { GPT2LMHeadModel } from "./gpt2.ts";
import { LlamaForCausalLM } from "./llama.ts";
import type { ParameterSource } from "./parameters.ts";

/** Builds the model that a config describes, with parameters from `source` (`randomParameters(generator)`, say). */
export function createModel(config: ModelConfig, source: ParameterSource): CausalLM {
  switch (config.modelType) {
    case "llama":
      return new LlamaForCausalLM(config, source);
    case "gpt2":
      return new GPT2LMHeadModel(config, source);
  }
}
