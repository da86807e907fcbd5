import type { Tensor } from "@lowrank/core";
import type { Module } from "../module/module.ts";
import type { CacheSizes } from "./layerCache.ts";

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
export interface AttentionSizes extends CacheSizes {
  readonly hiddenSize: number;
  readonly attentionHeads: number;
}

/** A model that can put virtual tokens before its sequences. */
export interface PromptableModel extends Module {
  /** Null: none. */
  virtualTokens: VirtualTokens | null;
  readonly attentionSizes: AttentionSizes;
  /**
   * True if layers look tokens up by their ids, so that no embeddings can stand before them.
   * Default false.
   */
  readonly needsTokenIds?: boolean;
}
