import { reshape, type Tensor } from "@lowrank/core";
import { type Attend, AttentionLayer, type Dropout } from "@lowrank/nn";
import type { ParameterPath } from "../../model/parameters.ts";
import type { DecoderConfig } from "./config.ts";
import type { LlamaTraits, Rotate } from "./traits.ts";

// B batch, T tokens, H heads, d head size.

/** Attention with rotary position embedding of queries and keys. Subclasses define the projections. */
export abstract class RotaryAttention extends AttentionLayer {
  attention_dropout: Dropout;
  readonly #headDim: number;
  readonly #traits: LlamaTraits;

  constructor(path: ParameterPath, { headDim, attentionDropout }: DecoderConfig, traits: LlamaTraits) {
    super();
    this.attention_dropout = path.dropout("attention_dropout", attentionDropout);
    this.#headDim = headDim;
    this.#traits = traits;
  }

  /** Projects hidden states [B, T, D] to queries, keys and values [B, T, H, d], before rotation. */
  protected abstract project(x: Tensor): readonly [queries: Tensor, keys: Tensor, values: Tensor];

  /** Projects the attention output of all heads [B, T, H * d] to [B, T, D]. */
  protected abstract output(attended: Tensor): Tensor;

  /** Splits [B, T, H * d] into heads [B, T, H, d]. */
  protected heads(rows: Tensor): Tensor {
    const [B, T] = rows.shape;
    return reshape(rows, [B, T, -1, this.#headDim]);
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    const [B, T] = x.shape;
    const [q, k, v] = this.project(x);
    const { window, attentionScale: scale = this.#headDim ** -0.5, attentionSoftcap: softcap } = this.#traits;
    const options = {
      ...{ scale, softcap, window: window?.has(layer) ? window.size : undefined },
      ...this.attention_dropout.ofAttention(),
    };
    return this.output(reshape(attend(layer, rotate(q), rotate(k), v, options), [B, T, -1]));
  }
}
