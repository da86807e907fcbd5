import { crossEntropy, reshape, slice, type Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { ClassifierHead } from "../config/classifierHead.ts";
import type { ClassifierInputs, ClassifierOutput, LabelledSequences } from "./sequenceClassifier.ts";
import { TransformerModel } from "./transformerModel.ts";

/**
 * A model that answers one vector for each token, as transformers' `...ForTokenClassification`.
 * Subclasses give the hidden states and the head.
 */
export abstract class TokenClassifier extends TransformerModel {
  abstract readonly config: ClassifierHead;

  /** True: each token has a label, and none predicts that of the next one. */
  readonly classifiesTokens = true;

  /** Final hidden states below the head, f32 [B, P + T, D], those of P virtual tokens first. */
  abstract hidden(inputs: ClassifierInputs): Tensor;

  /** f32 [B, P + T, labels] from hidden states. */
  protected abstract answers(hidden: Tensor): Tensor;

  /** The layer that gives the logits. */
  abstract readonly logitsLayer: Module;

  /** f32 [B, T, labels]. */
  logits(inputs: ClassifierInputs): Tensor {
    const all = this.answers(this.hidden(inputs));
    const virtual = all.shape[1] - inputs.inputIds.shape[1];
    return virtual === 0 ? all : slice(all, { dim: 1, start: virtual });
  }

  /** The labels are i32 [B, T]; those that are -100 are left out. */
  forward(inputs: ClassifierInputs & { labels?: Tensor }): ClassifierOutput {
    return this.run(() => {
      const logits = this.logits(inputs);
      return inputs.labels ? { logits, loss: lossOf(logits, inputs.labels) } : { logits };
    });
  }

  /** The mean cross-entropy in nats of the labels that are not -100. */
  loss(inputs: LabelledSequences): Tensor {
    return this.run(() => lossOf(this.logits(inputs), inputs.labels));
  }
}

function lossOf(logits: Tensor, labels: Tensor): Tensor {
  const [rows, tokens, width] = logits.shape;
  const flat = reshape(logits, [rows * tokens, width]);
  return crossEntropy(flat, reshape(labels, [rows * tokens]), { ignoreIndex: -100 });
}
