import { crossEntropy, linearCrossEntropy, noGrad, reshape, slice, type Tensor } from "@lowrank/core";
import { type AttentionCache, KVCache, Linear, type UnaryModule } from "@lowrank/nn";
import type { GenerationConfig } from "../config/generationConfig.ts";
import type { WantedRows } from "./runBlocks.ts";
import { TransformerModel } from "./transformerModel.ts";

/** One batch for a language model. */
export interface ModelInputs {
  /** Token ids, i32 [B, T]. */
  inputIds: Tensor;
  /** u8 or bool [B, S], 0 on padding; S counts the cached tokens too, but not virtual ones. */
  attentionMask?: Tensor | null;
  /**
   * i32 [B, T]: the position of each token, virtual ones not counted; default: its index,
   * after those in the cache.
   */
  positionIds?: Tensor | null;
  /**
   * The largest of `positionIds`. Rotary embedding that depends on the length of a text (dynamic,
   * longrope) needs it. Other models then make tables up to here, and without it up to the last
   * position of the model.
   */
  maxPosition?: number;
  /** Keys and values of the tokens before these. */
  cache?: AttentionCache | null;
}

/**
 * The answer of a language model: logits f32 [B, T, V], virtual tokens' first, and the loss
 * where labels were given.
 */
export interface ModelOutput {
  logits: Tensor;
  loss?: Tensor;
}

/**
 * A batch with labels, i32 [B, T]: -100 is ignored; position t predicts label t + 1, the
 * last virtual token label 0.
 */
export type LabelledInputs = ModelInputs & { labels: Tensor };

/**
 * A decoder that predicts the next token. Subclasses give the stack below the head, and the head.
 */
export abstract class CausalLM extends TransformerModel {
  /**
   * Final hidden states, f32 [B, T, D], those of virtual embeddings first; or each
   * sequence's last [B, 1, D].
   */
  abstract hidden(inputs: ModelInputs, wanted?: WantedRows): Tensor;

  /** The defaults of `generate`: the `generation_config.json` of the folder it was loaded from. */
  generationConfig: GenerationConfig | null = null;

  /** The layer that turns hidden states into logits. */
  abstract lm_head: UnaryModule;

  /** True if logits are more than what the output layer gives. Default false. */
  get shapesLogits(): boolean {
    return false;
  }

  /** Logits [..., V] of final hidden states [..., D]. */
  logitsOf(hidden: Tensor): Tensor {
    return this.lm_head.forward(hidden);
  }

  /**
   * An empty cache for `batch` sequences of up to `capacity` tokens, and the
   * virtual ones before them.
   */
  createCache(batch: number, capacity: number): KVCache {
    const room = capacity + (this.virtualTokens?.count ?? 0);
    const { hiddenSize: _, attentionHeads: __, ...sizes } = this.attentionSizes;
    return new KVCache({ ...sizes, batch, capacity: room, backend: this.backend });
  }

  forward(inputs: ModelInputs & { labels?: Tensor }): ModelOutput {
    return this.run(() => {
      const logits = this.logitsOf(this.hidden(inputs));
      if (!inputs.labels) return { logits };
      const [predicting, labels] = aligned(logits, inputs.labels);
      return { logits, loss: crossEntropy(predicting, labels, { ignoreIndex: -100 }) };
    });
  }

  /**
   * Mean cross-entropy in nats over the labelled tokens; the logits of a
   * whole batch are never held.
   */
  loss(inputs: LabelledInputs): Tensor {
    return this.run(() => {
      const { lm_head: head } = this;
      const [hidden, labels] = aligned(this.hidden(inputs), inputs.labels);
      return head instanceof Linear && !head.bias && head.isExact && !this.shapesLogits
        ? linearCrossEntropy(hidden, head.weight, labels, { ignoreIndex: -100 })
        : crossEntropy(this.logitsOf(hidden), labels, { ignoreIndex: -100 });
    });
  }

  /** Logits of each row's last token, f32 [B, V], without gradients. */
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
 * Rows [B, P + T, ...] that predict a label each, and their labels; `labels` [B, T] say nothing
 * of the P virtual tokens.
 */
function aligned(x: Tensor, labels: Tensor): [predicting: Tensor, labels: Tensor] {
  const rows = x.shape[1];
  const virtual = rows - labels.shape[1];
  const predicting = slice(x, { dim: 1, start: Math.max(0, virtual - 1), end: rows - 1 });
  return [predicting, virtual > 0 ? labels : slice(labels, { dim: 1, start: 1 })];
}
