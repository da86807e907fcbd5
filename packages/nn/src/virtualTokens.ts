import type { Tensor } from "@lowrank/core";
import type { Module } from "./module.ts";

/** Trained rows that stand before every sequence in place of tokens. */
export interface VirtualTokens {
  /**
   * "embeddings": rows before those of the tokens. "cache": keys and values that each
   * layer sees before its own.
   */
  readonly kind: "embeddings" | "cache";
  /** Number of virtual tokens. */
  readonly count: number;
  /**
   * f32 [count, D]; for a cache [count, layers, 2, Hkv, d] with keys at 0 and values at 1,
   * as attention takes them.
   */
  rows(): Tensor;
}

/** The sizes of a stack of attention layers, which virtual tokens and caches must have. */
export interface AttentionSizes {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly attentionHeads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Layers that keep no keys and values, such as convolutions. Default: none. */
  readonly withoutKeys?: readonly number[];
}

/** A model that can put virtual tokens before its sequences. */
export interface PromptableModel extends Module {
  /** Null: none. */
  virtualTokens: VirtualTokens | null;
  readonly attentionSizes: AttentionSizes;
}
