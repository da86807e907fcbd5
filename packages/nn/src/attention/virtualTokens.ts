import type { Tensor } from "@lowrank/core";
import type { Module } from "../module/module.ts";
import type { CacheSizes } from "./layerCache.ts";

/** Trained rows that come before every sequence, in the role of tokens. */
export interface VirtualTokens {
  /**
   * "embeddings": rows before the embeddings of the tokens. "cache": keys and values that each layer attends to before
   * its own.
   */
  readonly kind: "embeddings" | "cache";
  /** Number of virtual tokens. */
  readonly count: number;
  /**
   * Returns f32 [count, D]. For a cache: [count, layers, 2, Hkv, d], with keys at 0 and values at 1, as attention takes
   * them.
   */
  rows(): Tensor;
}

/** The sizes of a stack of attention layers. Virtual tokens and caches must match them. */
export interface AttentionSizes extends CacheSizes {
  readonly hiddenSize: number;
  readonly attentionHeads: number;
}

/** A model that can prepend virtual tokens to its sequences. */
export interface PromptableModel extends Module {
  /** Null: no virtual tokens. */
  virtualTokens: VirtualTokens | null;
  readonly attentionSizes: AttentionSizes;
  /** True if layers look up tokens by their ids, so virtual embeddings cannot be prepended. Default false. */
  readonly needsTokenIds?: boolean;
}
