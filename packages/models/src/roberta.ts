import { cumsum, mul, ne, type Tensor, tanh, tensor, to } from "@lowrank/core";
import { Dropout, Module, type UnaryModule } from "@lowrank/nn";
import { BertModel, bertSizes, firstRow } from "./bert.ts";
import type { BertConfig } from "./config/bertConfig.ts";
import { ParameterPath, type ParameterSource } from "./parameters.ts";
import { type ClassifierInputs, SequenceClassifier } from "./sequenceClassifier.ts";

class RobertaClassificationHead extends Module {
  dense: UnaryModule;
  dropout: UnaryModule;
  out_proj: UnaryModule;

  constructor(path: ParameterPath, { hiddenSize, labels, classifierDropout, hiddenDropoutProb }: BertConfig) {
    super();
    this.dense = path.linear("dense", hiddenSize, hiddenSize, true);
    this.dropout = new Dropout(classifierDropout ?? hiddenDropoutProb);
    this.out_proj = path.linear("out_proj", hiddenSize, labels.length, true);
  }

  /** From hidden states [B, T, D] to logits [B, labels]. */
  forward(hidden: Tensor): Tensor {
    const pooled = tanh(this.dense.forward(this.dropout.forward(firstRow(hidden))));
    return this.out_proj.forward(this.dropout.forward(pooled));
  }
}

/** Positions count tokens other than padding, from behind the padding's own id on. */
function robertaPositions({ inputIds }: ClassifierInputs, padTokenId: number): Tensor {
  const tokens = to(ne(inputIds, tensor(padTokenId, { dtype: "i32" })), { dtype: "f32" });
  return to(mul(cumsum(tokens, { dim: 1 }), tokens).add(padTokenId), { dtype: "i32" });
}

/** RoBERTa that classifies sequences, as transformers' RobertaForSequenceClassification. Liu et al. 2019, arXiv:1907.11692. */
export class RobertaForSequenceClassification extends SequenceClassifier {
  readonly config: BertConfig;
  roberta: BertModel;
  classifier: RobertaClassificationHead;

  constructor(config: BertConfig, source: ParameterSource) {
    const { padTokenId } = config;
    const first = padTokenId + 1;
    super(bertSizes(config, first));
    this.config = config;
    const positions = {
      first,
      padding: padTokenId,
      of: (inputs: ClassifierInputs) => robertaPositions(inputs, padTokenId),
    };
    this.roberta = new BertModel(new ParameterPath(source, "roberta"), config, { positions, pooler: false });
    this.classifier = new RobertaClassificationHead(new ParameterPath(source, "classifier"), config);
  }

  logits(inputs: ClassifierInputs): Tensor {
    return this.classifier.forward(this.roberta.forward(inputs, this.virtualTokens, this.gradientCheckpointing));
  }

  get head(): Module {
    return this.classifier.out_proj;
  }
}
