import { BertForSequenceClassification } from "./bert.ts";
import type { CausalLM } from "./causalLM.ts";
import { type ClassifierConfig, isClassifierConfig } from "./config/classifierConfig.ts";
import type { ModelConfig } from "./config/modelConfig.ts";
import { GPT2ForSequenceClassification, GPT2LMHeadModel } from "./gpt2.ts";
import { LlamaForCausalLM } from "./llama.ts";
import type { ParameterSource } from "./parameters.ts";
import { RobertaForSequenceClassification } from "./roberta.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";

/** The kind of model that a config is of. */
export type ModelOf<C extends ModelConfig | ClassifierConfig> = C extends ClassifierConfig
  ? SequenceClassifier
  : CausalLM;

/** Builds the model that a config describes, with parameters from `source` (`randomParameters(generator)`, say). */
export function createModel<C extends ModelConfig | ClassifierConfig>(config: C, source: ParameterSource): ModelOf<C> {
  return (isClassifierConfig(config) ? createClassifier(config, source) : createLM(config, source)) as ModelOf<C>;
}

function createLM(config: ModelConfig, source: ParameterSource): CausalLM {
  switch (config.modelType) {
    case "llama":
      return new LlamaForCausalLM(config, source);
    case "gpt2":
      return new GPT2LMHeadModel(config, source);
  }
}

function createClassifier(config: ClassifierConfig, source: ParameterSource): SequenceClassifier {
  switch (config.modelType) {
    case "bert":
      return new BertForSequenceClassification(config, source);
    case "roberta":
      return new RobertaForSequenceClassification(config, source);
    case "gpt2":
      return new GPT2ForSequenceClassification(config, source);
  }
}
