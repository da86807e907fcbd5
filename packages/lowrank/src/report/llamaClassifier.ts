import { type CausalLM, describeModel, type LlamaConfig } from "@lowrank/models";
import { type AttentionSizes, Linear, Module, type PromptableModel, type VirtualTokens } from "@lowrank/nn";
import type { ModelShapes } from "@lowrank/peft";

/** A Llama with a layer that scores labels in the place of the one that gives tokens. */
class LlamaClassifier extends Module implements PromptableModel {
  readonly config: LlamaConfig;
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;
  model: Module;
  score: Linear;

  constructor(config: LlamaConfig, decoder: CausalLM, score: Linear) {
    super();
    this.config = config;
    this.attentionSizes = decoder.attentionSizes;
    this.model = (decoder as CausalLM & { model: Module }).model;
    this.score = score;
  }

  forward(): never {
    throw new Error("this classifier is known by its shapes alone; it cannot be run");
  }
}

/** The shapes of transformers' LlamaForSequenceClassification. */
export function llamaClassifier(config: LlamaConfig, labels: number): ModelShapes {
  // An output layer that is the embedding has no parameters of its own.
  const { modelType, parameters, build } = describeModel({ ...config, tieWordEmbeddings: true });
  const score = { name: "score.weight", shape: [labels, config.hiddenSize] };
  return {
    modelType,
    parameters: [...parameters, score],
    build: (source) => {
      const decoder = build((name, shape) => source(name, shape));
      return new LlamaClassifier(config, decoder, new Linear(source(score.name, score.shape), null));
    },
  };
}
