import type { Tensor } from "@lowrank/core";
import type { Module, UnaryModule, VirtualTokens } from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { ClassifierHead } from "../config/classifierHead.ts";
import { ParameterPath, type ParameterSource } from "./parameters.ts";
import type { ClassifierInputs } from "./sequenceClassifier.ts";
import { TokenClassifier } from "./tokenClassifier.ts";
import type { ModelSizes } from "./transformerModel.ts";

/** An encoder (base model) without a head. */
interface Encoder {
  forward(inputs: ClassifierInputs, virtualTokens: VirtualTokens | null, checkpointing: boolean): Tensor;
}

/** A token classifier with the usual head of encoders such as BERT: dropout and a linear layer. */
export abstract class EncoderTokenClassifier<C> extends TokenClassifier {
  readonly config: C & ClassifierHead;
  dropout: UnaryModule;
  classifier: UnaryModule;

  /** The encoder. Subclasses store it under the architecture's own name and return it here. */
  protected abstract readonly stack: Encoder;

  /** `width` is the hidden size; `dropout` is the dropout probability before the linear layer. */
  constructor(
    config: C & ClassifierHead,
    source: ParameterSource,
    { sizes, width, dropout }: { sizes: ModelSizes; width: number; dropout: number },
  ) {
    super(sizes);
    const { labels } = config;
    this.config = config;
    this.dropout = new ParameterPath(source, "").dropout("dropout", dropout);
    const weight = source("classifier.weight", [labels.length, width], { std: 0.02 });
    this.classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.stack.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  protected answers(hidden: Tensor): Tensor {
    return this.classifier.forward(this.dropout.forward(hidden));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}
