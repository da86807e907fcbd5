import { crossEntropy, linearCrossEntropy, noGrad, reshape, slice, type Tensor } from "@lowrank/core";
import { type AttentionCache, KVCache, Linear, type TokenTypes, type UnaryModule } from "@lowrank/nn";
import type { Invocation } from "@lowrank/nn/internal";
import type { GenerationConfig } from "../config/generationConfig.ts";
import type { WantedRows } from "./runBlocks.ts";
import { TransformerModel } from "./transformerModel.ts";

/** A batch of inputs of a language model. */
export interface ModelInputs {
  /** Token ids, i32 [B, T]. */
  inputIds: Tensor;
  /** u8 or bool [B, S], 0 on padding. S includes cached tokens, but not virtual tokens. */
  attentionMask?: Tensor | null;
  /**
   * i32 [B, T]: the position of each token, without counting virtual tokens. Default: the token's index plus the number
   * of cached tokens.
   */
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
  /**
   * For each row, the number of tokens, counted from the end of `inputIds`, on which aLoRA acts; null for none.
   * Default: from the last occurrence of the adapter's invocation tokens in `inputIds` on. Give it if the invocation is
   * among the tokens in the cache; `generate` does. Other adapters ignore it.
   */
  aloraOffsets?: readonly (number | null)[] | null;
  /**
   * The type of each token, for the loss of CPT: one list of T integers for each row. A token's label counts if its
   * type is a positive multiple of 4. Default: 4 for every token. Other models ignore it.
   */
  inputTypeMask?: TokenTypes | null;
  /** Cache with the keys and values of earlier tokens. The new tokens are added to it. */
  cache?: AttentionCache | null;
}

/**
 * The output of a language model: logits f32 [B, P + T, V], of which the first P belong to virtual tokens, and the loss
 * if labels were given.
 */
export interface ModelOutput {
  logits: Tensor;
  loss?: Tensor;
}

/**
 * A batch with labels i32 [B, T]; labels of -100 are ignored. Token t predicts label t + 1. If there are virtual
 * tokens, the last of them predicts label 0.
 */
export type LabelledInputs = ModelInputs & { labels: Tensor };

/**
 * A decoder with a language-model head, which predicts the next token. Subclasses define the base model and the head.
 */
export abstract class CausalLM extends TransformerModel {
  /**
   * Returns the final hidden states f32 [B, P + T, D], of which the first P belong to virtual tokens. If `wanted` is
   * "last", returns only the last token of each sequence, [B, 1, D].
   */
  abstract hidden(inputs: ModelInputs, wanted?: WantedRows): Tensor;

  /**
   * The defaults of `generate`, from the `generation_config.json` of the folder that the model was loaded from; null if
   * there was none.
   */
  generationConfig: GenerationConfig | null = null;

  /**
   * True if every step of `generate` must run the whole sequence, since hidden states depend on more than cached keys
   * and values. Adapters set it. Default false.
   */
  needsWholeSequences = false;

  /** The invocation from which the active aLoRA adapter acts. Adapters set it. Default null: no such adapter. */
  invocation: Invocation | null = null;

  /** The language-model head, which computes logits from hidden states. */
  abstract lm_head: UnaryModule;

  /** True if `logitsOf` changes the output of the head, for example with a soft cap. Default false. */
  get shapesLogits(): boolean {
    return false;
  }

  /** Returns logits [..., V] for final hidden states [..., D]. */
  logitsOf(hidden: Tensor): Tensor {
    return this.lm_head.forward(hidden);
  }

  /** Returns an empty cache for `batch` sequences of up to `capacity` tokens each, plus the model's virtual tokens. */
  createCache(batch: number, capacity: number): KVCache {
    const room = capacity + (this.virtualTokens?.count ?? 0);
    const { hiddenSize: _, attentionHeads: __, ...sizes } = this.attentionSizes;
    return new KVCache({ ...sizes, batch, capacity: room, backend: this.backend });
  }

  forward(inputs: ModelInputs & { labels?: Tensor }): ModelOutput {
    return this.run(() => {
      const logits = this.logitsOf(this.hidden(inputs));
      if (!inputs.labels) return { logits };
      const meanLoss = (labels: Tensor) => {
        const [predicting, predicted] = aligned(logits, labels);
        return crossEntropy(predicting, predicted, { ignoreIndex: -100 });
      };
      return { logits, loss: this.#lossOf(inputs as LabelledInputs, () => logits, meanLoss) };
    });
  }

  /**
   * Returns the mean cross-entropy of the labelled tokens in nats. If the active prompt method has its own loss, as CPT
   * does, returns that loss. If the head is a plain linear layer without bias and `shapesLogits` is false, computes the
   * logits in parts. The logits of the whole batch are then never in memory, unless the prompt method needs them.
   */
  loss(inputs: LabelledInputs): Tensor {
    return this.run(() => {
      const hidden = this.hidden(inputs);
      return this.#lossOf(
        inputs,
        () => this.logitsOf(hidden),
        (labels) => this.#meanLoss(hidden, labels),
      );
    });
  }

  #lossOf(
    { labels, inputTypeMask = null }: LabelledInputs,
    logits: () => Tensor,
    meanLoss: (labels: Tensor) => Tensor,
  ): Tensor {
    return this.virtualTokens?.loss?.of({ labels, inputTypeMask, logits, meanLoss }) ?? meanLoss(labels);
  }

  #meanLoss(all: Tensor, given: Tensor): Tensor {
    const { lm_head: head } = this;
    const [hidden, labels] = aligned(all, given);
    if (head instanceof Linear && !head.bias && head.isExact && !this.shapesLogits) {
      return linearCrossEntropy(hidden, head.weight, labels, { ignoreIndex: -100 });
    }
    // aLoRA on the head counts tokens from the end, so the head needs the last token, which predicts no label.
    const logits = this.invocation ? aligned(this.logitsOf(all), given)[0] : this.logitsOf(hidden);
    return crossEntropy(logits, labels, { ignoreIndex: -100 });
  }

  /** Returns the logits of each sequence's last token, f32 [B, V], without gradients. */
  nextLogits(inputs: ModelInputs): Tensor {
    return noGrad(() =>
      this.run(() => {
        const last = this.hidden(inputs, "last");
        return reshape(this.logitsOf(last), [last.shape[0], this.vocabSize]);
      }),
    );
  }
}

/**
 * Returns the rows of hidden states or logits [B, P + T, ...] that predict a label, and the labels that they predict.
 * `labels` is [B, T] without entries for the P virtual tokens, or [B, P + T].
 */
function aligned(x: Tensor, labels: Tensor): [predicting: Tensor, labels: Tensor] {
  const rows = x.shape[1];
  const virtual = rows - labels.shape[1];
  const predicting = slice(x, { dim: 1, start: Math.max(0, virtual - 1), end: rows - 1 });
  return [predicting, virtual > 0 ? labels : slice(labels, { dim: 1, start: 1 })];
}
