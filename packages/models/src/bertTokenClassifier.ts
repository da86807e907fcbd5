import type { Tensor } from "@lowrank/core";
import { linearLayer, type Module, type UnaryModule } from "@lowrank/nn";
import type { BertModel } from "./bert.ts";
import type { BertConfig } from "./config/bertConfig.ts";
import type { ClassifierHead } from "./config/classifierHead.ts";
import { ParameterPath, type ParameterSource } from "./parameters.ts";
import type { ClassifierInputs } from "./sequenceClassifier.ts";
import { TokenClassifier } from "./tokenClassifier.ts";

/** The head that BERT and its kin have for tokens: dropout, and a linear layer. */
export abstract class BertTokenClassifier extends TokenClassifier {
  readonly config: BertConfig & ClassifierHead;
  dropout: UnaryModule;
  classifier: UnaryModule;

  /** The stack, which is named after the architecture. */
  protected abstract readonly stack: BertModel;

  constructor(
    config: BertConfig & ClassifierHead,
    source: ParameterSource,
    sizes: ConstructorParameters<typeof TokenClassifier>[0],
  ) {
    super(sizes);
    const { hiddenSize, labels, classifierDropout, hiddenDropoutProb } = config;
    this.config = config;
    this.dropout = new ParameterPath(source, "").dropout("dropout", classifierDropout ?? hiddenDropoutProb);
    const weight = source("classifier.weight", [labels.length, hiddenSize], { std: 0.02 });
    this.classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.stack.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  protected answers(hidden: Tensor): Tensor {
    return this.classifier.forward(this.dropout.forward(hidden));
  }

  get head(): Module {
    return this.classifier;
  }
}
