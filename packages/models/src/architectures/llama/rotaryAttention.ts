import { reshape, type Tensor } from "@lowrank/core";
import { type Attend, AttentionLayer, type Dropout } from "@lowrank/nn";
import type { ParameterPath } from "../../model/parameters.ts";
import type { DecoderConfig } from "./config.ts";
import type { LlamaTraits, Rotate } from "./traits.ts";

// B batch, T tokens, H heads, d head size.

/** Attention whose queries and keys turn by their positions. Subclasses project to heads. */
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

  /** Queries, keys and values [B, T, H, d] of rows [B, T, D], before they turn. */
  protected abstract project(x: Tensor): readonly [queries: Tensor, keys: Tensor, values: Tensor];

  /** The output [B, T, D] of what all heads attended to [B, T, H * d]. */
  protected abstract output(attended: Tensor): Tensor;

  /** Rows [B, T, H * d] by heads [B, T, H, d]. */
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
