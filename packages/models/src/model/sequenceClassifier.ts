import { binaryCrossEntropyWithLogits, crossEntropy, mseLoss, reshape, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { ClassifierHead, ProblemType } from "../config/classifierHead.ts";
import { TransformerModel } from "./transformerModel.ts";

/** A batch of sequences to classify. */
export interface ClassifierInputs {
  /** Token ids, i32 [B, T]. */
  inputIds: Tensor;
  /** u8 or bool [B, T], 0 on padding. */
  attentionMask?: Tensor | null;
  /**
   * Segment (sentence) of each token, 0 or 1, i32 [B, T]. Ignored by models without token type embeddings. Default: 0
   * for all tokens.
   */
  tokenTypeIds?: Tensor | null;
  /** Position of each token, i32 [B, T]. Default: its index. */
  positionIds?: Tensor | null;
  /**
   * The largest value in `positionIds`. Required if the rotary embedding depends on the length of the sequence
   * (dynamic, longrope). For other models it only limits the size of the cos and sin tables, which otherwise cover all
   * positions of the model.
   */
  maxPosition?: number;
  /**
   * The task of each row, for multitask prompt tuning and Poly. Required if the active adapter has several tasks. Other
   * models ignore it.
   */
  taskIds?: readonly number[] | null;
}

/** The output of a classifier: logits f32 [B, labels], and the loss if labels were given. */
export interface ClassifierOutput {
  logits: Tensor;
  loss?: Tensor;
}

/**
 * A batch with labels: i32 [B] for single-label classification, f32 [B, labels] for multi-label classification, f32 [B]
 * or [B, n] for regression.
 */
export type LabelledSequences = ClassifierInputs & { labels: Tensor };

/** A model that returns a vector of logits for each sequence. Subclasses define the logits. */
export abstract class SequenceClassifier extends TransformerModel {
  abstract readonly config: ClassifierHead;

  /**
   * Returns the final hidden states, before the head, f32 [B, P + T, D], of which the first P belong to virtual tokens.
   */
  abstract hidden(inputs: ClassifierInputs): Tensor;

  /** Returns the logits, f32 [B, labels]. */
  abstract logits(inputs: ClassifierInputs): Tensor;

  /** The layer that computes the logits. */
  abstract readonly logitsLayer: Module;

  /**
   * The kind of problem, which determines the loss function. Default if the config does not set it: regression for one
   * label, otherwise single-label classification.
   */
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
   * Returns the mean loss over the batch: cross-entropy in nats for single-label classification, binary cross-entropy
   * of each label for multi-label classification, or the squared error for regression.
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
