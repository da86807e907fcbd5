import { binaryCrossEntropyWithLogits, crossEntropy, mseLoss, reshape, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { ClassifierHead, ProblemType } from "../config/classifierHead.ts";
import { TransformerModel } from "./transformerModel.ts";

/** One batch of sequences to classify. */
export interface ClassifierInputs {
  /** Token ids, i32 [B, T]. */
  inputIds: Tensor;
  /** u8 or bool [B, T], 0 on padding. */
  attentionMask?: Tensor | null;
  /** i32 [B, T]: which of two texts a token belongs to; default: 0. For models that know it. */
  tokenTypeIds?: Tensor | null;
  /** i32 [B, T]: the position of each token; default: its index. */
  positionIds?: Tensor | null;
  /**
   * The largest of `positionIds`. Rotary embedding that depends on the length of a text (dynamic,
   * longrope) needs it. Other models then make tables up to here, and without it up to the last
   * position of the model.
   */
  maxPosition?: number;
}

/** The output of a classifier: logits f32 [B, labels], and the loss if labels were given. */
export interface ClassifierOutput {
  logits: Tensor;
  loss?: Tensor;
}

/**
 * A batch with labels: i32 [B] to choose one of several, f32 [B, labels] to say each, f32 [B]
 * or [B, n] for regression.
 */
export type LabelledSequences = ClassifierInputs & { labels: Tensor };

/** A model that answers one vector for each sequence. Subclasses give the logits. */
export abstract class SequenceClassifier extends TransformerModel {
  abstract readonly config: ClassifierHead;

  /** Final hidden states below the head, f32 [B, P + T, D], those of P virtual tokens first. */
  abstract hidden(inputs: ClassifierInputs): Tensor;

  /** f32 [B, labels]. */
  abstract logits(inputs: ClassifierInputs): Tensor;

  /** The layer that gives the logits. */
  abstract readonly logitsLayer: Module;

  /** The kind of labels that the loss compares with. */
  get problemType(): ProblemType {
    const { problemType, labels } = this.config;
    return problemType ?? (labels.length === 1 ? "regression" : "single_label_classification");
  }

  forward(inputs: ClassifierInputs & { labels?: Tensor }): ClassifierOutput {
    return this.run(() => {
      const logits = this.logits(inputs);
      return inputs.labels ? { logits, loss: this.#lossOf(logits, inputs.labels) } : { logits };
    });
  }

  /**
   * The mean over the batch: cross-entropy in nats, that of each label by
   * itself, or the squared error.
   */
  loss(inputs: LabelledSequences): Tensor {
    return this.run(() => this.#lossOf(this.logits(inputs), inputs.labels));
  }

  #lossOf(logits: Tensor, labels: Tensor): Tensor {
    switch (this.problemType) {
      case "single_label_classification":
        return crossEntropy(logits, labels, { ignoreIndex: -100 });
      case "multi_label_classification":
        return binaryCrossEntropyWithLogits(logits, labels);
      case "regression":
        return mseLoss(logits, reshape(labels, logits.shape));
    }
  }
}
