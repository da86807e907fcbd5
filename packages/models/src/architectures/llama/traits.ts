import type { Tensor } from "@lowrank/core";
import type { Attend, Module, UnaryModule } from "@lowrank/nn";
import type { ParameterPath } from "../../model/parameters.ts";
import type { WantedRows } from "../../model/runBlocks.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";
import type { DecoderConfig } from "./config.ts";
import type { RotaryAttention } from "./rotaryAttention.ts";

/** Applies the rotary embedding to queries or keys [B, T, H, d]. */
export type Rotate = (x: Tensor) => Tensor;

/** A block (layer) of a decoder. */
export interface DecoderLayer extends Module {
  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor;
}

/** Makes a part of a block, such as attention or the MLP, at a parameter path. `layer` is the block's index, from 0. */
export type MakePart<M> = (path: ParameterPath, config: DecoderConfig, traits: LlamaTraits, layer: number) => M;

/** Differences of a Llama-style architecture from Llama. */
export interface LlamaTraits {
  /** Makes a norm over `size` elements at a parameter path. */
  norm(path: ParameterPath, size: number): UnaryModule;
  /** True if the projections to queries, keys and values have biases. Default false. */
  readonly qkvBias?: boolean;
  /** True if the output projection of attention has a bias. Default false. */
  readonly outputBias?: boolean;
  /** True if the MLP's layers have biases. Default false. */
  readonly mlpBias?: boolean;
  /**
   * Sliding-window attention: in layers with `has(layer)`, a token attends to the last `size` positions, its own
   * included. Default: every layer attends to all earlier positions.
   */
  readonly window?: { readonly size: number; has(layer: number): boolean };
  /** Factor by which attention scores are multiplied. Default: 1 / sqrt(head size). */
  readonly attentionScale?: number;
  /** Soft cap of attention scores: scores s become softcap * tanh(s / softcap). Default: no cap. */
  readonly attentionSoftcap?: number;
  /**
   * Returns the rotary embedding config of a layer; null for a layer without a rotary embedding. Default: every layer
   * uses the `rope` of the model's config.
   */
  ropeOf?(layer: number): RopeConfig | null;
  /**
   * Factor by which token embeddings are multiplied. It does not apply to the embeddings of virtual tokens. Default 1.
   */
  readonly embeddingScale?: number;
  /**
   * Factor by which the input of the first block is multiplied, including the embeddings of virtual tokens. Default 1.
   */
  readonly inputScale?: number;
  /**
   * Factor by which the outputs of attention and MLP are multiplied before they are added to the residual. Default 1.
   */
  readonly residualScale?: number;
  /**
   * Computes the logits from the output of the language-model head, for example with a soft cap. Default: the output is
   * used unchanged.
   */
  logits?(x: Tensor): Tensor;
  /** Makes the attention sub-layer. Default: Llama's. */
  readonly attention?: MakePart<RotaryAttention>;
  /** Makes the feed-forward sub-layer. Default: Llama's MLP. */
  readonly mlp?: MakePart<UnaryModule>;
  /** Makes a block. Default: Llama's block, with a norm before each sub-layer. */
  readonly layer?: MakePart<DecoderLayer>;
}
