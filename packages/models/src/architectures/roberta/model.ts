import { cumsum, mul, ne, type Tensor, tanh, tensor, to } from "@lowrank/core";
import { Module, type UnaryModule } from "@lowrank/nn";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { EncoderTokenClassifier } from "../../model/encoderTokenClassifier.ts";
import { ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import { type BertConfig, bertToHf, readBertConfig } from "../bert/config.ts";
import {
  BertModel,
  type BertPositions,
  bertSizes,
  bertTargets,
  encoderPreset,
  firstRow,
  sanitizeBert,
  tokenHeadOf,
} from "../bert/model.ts";

class RobertaClassificationHead extends Module {
  dense: UnaryModule;
  dropout: UnaryModule;
  out_proj: UnaryModule;

  constructor(path: ParameterPath, config: BertConfig & ClassifierHead) {
    super();
    const { hiddenSize, labels, classifierDropout, hiddenDropoutProb } = config;
    this.dense = path.linear("dense", hiddenSize, hiddenSize, true);
    this.dropout = path.dropout("dropout", classifierDropout ?? hiddenDropoutProb);
    this.out_proj = path.linear("out_proj", hiddenSize, labels.length, true);
  }

  /** Maps hidden states [B, T, D] to logits [B, labels]. */
  forward(hidden: Tensor): Tensor {
    const pooled = tanh(this.dense.forward(this.dropout.forward(firstRow(hidden))));
    return this.out_proj.forward(this.dropout.forward(pooled));
  }
}

/**
 * Returns position ids, i32 [B, T]. Padding tokens have the position `padTokenId`; the other tokens of a sequence
 * count up from `padTokenId + 1`.
 */
function robertaPositions({ inputIds }: ClassifierInputs, padTokenId: number): Tensor {
  const tokens = to(ne(inputIds, tensor(padTokenId, { dtype: "i32" })), { dtype: "f32" });
  return to(mul(cumsum(tokens, { dim: 1 }), tokens).add(padTokenId), { dtype: "i32" });
}

function positionsOf({ padTokenId }: BertConfig): BertPositions {
  return { first: padTokenId + 1, padding: padTokenId, of: (inputs) => robertaPositions(inputs, padTokenId) };
}

/**
 * RoBERTa that classifies sequences, like transformers' RobertaForSequenceClassification. Liu et al. 2019,
 * arXiv:1907.11692.
 */
export class RobertaForSequenceClassification extends SequenceClassifier {
  readonly config: BertConfig & ClassifierHead;
  roberta: BertModel;
  classifier: RobertaClassificationHead;

  constructor(config: BertConfig & ClassifierHead, source: ParameterSource) {
    const positions = positionsOf(config);
    super(bertSizes(config, positions.first));
    this.config = config;
    this.roberta = new BertModel(new ParameterPath(source, "roberta"), config, { positions, pooler: false });
    this.classifier = new RobertaClassificationHead(new ParameterPath(source, "classifier"), config);
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.roberta.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  logits(inputs: ClassifierInputs): Tensor {
    return this.classifier.forward(this.hidden(inputs));
  }

  get logitsLayer(): Module {
    return this.classifier.out_proj;
  }
}

/** RoBERTa that classifies tokens, like transformers' RobertaForTokenClassification. */
export class RobertaForTokenClassification extends EncoderTokenClassifier<BertConfig> {
  roberta: BertModel;

  constructor(config: BertConfig & ClassifierHead, source: ParameterSource) {
    const positions = positionsOf(config);
    super(config, source, { sizes: bertSizes(config, positions.first), ...tokenHeadOf(config) });
    this.roberta = new BertModel(new ParameterPath(source, "roberta"), config, { positions, pooler: false });
  }

  protected get stack(): BertModel {
    return this.roberta;
  }
}

const preset = {
  architectures: ["RobertaModel"],
  vocab_size: 50265,
  max_position_embeddings: 514,
  type_vocab_size: 1,
  layer_norm_eps: 1e-5,
};

/** The architecture of RoBERTa. */
export const roberta: Architecture<BertConfig> = defineArchitecture({
  modelType: "roberta",
  readConfig: (fields) => readBertConfig(fields, "roberta", { vocabSize: 50265, padTokenId: 1 }),
  writeConfig: bertToHf,
  create: (config, source) =>
    new BertModel(new ParameterPath(source, ""), config, { positions: positionsOf(config), pooler: true }),
  heads: {
    sequenceClassification: {
      className: "RobertaForSequenceClassification",
      module: "classifier",
      create: (config, source) => new RobertaForSequenceClassification(config, source),
    },
    tokenClassification: {
      className: "RobertaForTokenClassification",
      module: "classifier",
      create: (config, source) => new RobertaForTokenClassification(config, source),
    },
  },
  stack: "roberta",
  sanitize: sanitizeBert,
  defaultTargets: bertTargets,
  // Liu et al. 2019, arXiv:1907.11692.
  presets: { "roberta-base": encoderPreset(768, 12, preset), "roberta-large": encoderPreset(1024, 24, preset) },
});
