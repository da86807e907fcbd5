import { crossEntropy, reshape, slice, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { ClassifierHead } from "../config/classifierHead.ts";
import type { ClassifierInputs, ClassifierOutput, LabelledSequences } from "./sequenceClassifier.ts";
import { TransformerModel } from "./transformerModel.ts";

/**
 * A model that returns a vector of logits for each token, like transformers' `...ForTokenClassification`. Subclasses
 * define the hidden states and the head.
 */
export abstract class TokenClassifier extends TransformerModel {
  abstract readonly config: ClassifierHead;

  /**
   * True for all token classifiers, to distinguish them from other models. A token classifier is trained to predict
   * each token's own label, not the label of the next token.
   */
  readonly classifiesTokens = true;

  /**
   * Returns the final hidden states, before the head, f32 [B, P + T, D], of which the first P belong to virtual tokens.
   */
  abstract hidden(inputs: ClassifierInputs): Tensor;

  /** Applies the head: returns logits f32 [B, P + T, labels] for hidden states [B, P + T, D]. */
  protected abstract answers(hidden: Tensor): Tensor;

  /** The layer that computes the logits. */
  abstract readonly logitsLayer: Module;

  /** Returns the logits f32 [B, T, labels], without virtual tokens. */
  logits(inputs: ClassifierInputs): Tensor {
    const all = this.answers(this.hidden(inputs));
    const virtual = all.shape[1] - inputs.inputIds.shape[1];
    return virtual === 0 ? all : slice(all, { dim: 1, start: virtual });
  }

  /** Returns the logits, and the loss if labels i32 [B, T] are given; labels of -100 are ignored. */
  forward(inputs: ClassifierInputs & { labels?: Tensor }): ClassifierOutput {
    return this.run(() => {
      const logits = this.logits(inputs);
      return inputs.labels ? { logits, loss: lossOf(logits, inputs.labels) } : { logits };
    });
  }

  /** Returns the mean cross-entropy in nats over the labels that are not -100. */
  loss(inputs: LabelledSequences): Tensor {
    return this.run(() => lossOf(this.logits(inputs), inputs.labels));
  }
}

function lossOf(logits: Tensor, labels: Tensor): Tensor {
  const [rows, tokens, width] = logits.shape;
  const flat = reshape(logits, [rows * tokens, width]);
  return crossEntropy(flat, reshape(labels, [rows * tokens]), { ignoreIndex: -100 });
}
