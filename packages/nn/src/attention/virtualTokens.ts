import type { Tensor } from "@lowrank/core";
import type { Module } from "../module/module.ts";
import type { CacheSizes } from "./attentionCache.ts";

/** The parts of a batch that virtual tokens can depend on. */
export interface PromptedRows {
  /** Number of rows B. */
  readonly size: number;
  /** The task of each row, for virtual tokens that depend on the task. */
  readonly taskIds?: readonly number[] | null;
}

/** Trained vectors that a prompt method (such as prompt tuning) puts before every sequence. */
export interface VirtualTokens {
  /**
   * "embeddings": vectors that are put before the token embeddings. "cache": keys and values that each layer attends to
   * in addition to the keys and values of the tokens; their positions come first.
   */
  readonly kind: "embeddings" | "cache";
  /** Number of virtual tokens. */
  readonly count: number;
  /**
   * Returns the vectors: f32 [count, D] for "embeddings", or [count, layers, 2, Hkv, d] for "cache", with the keys at
   * index 0 of dimension 2 and the values at 1. Embeddings that depend on the task are [B, count, D]. Throws if they
   * do and the batch lacks task ids, or has wrong ones.
   */
  rows(batch?: PromptedRows): Tensor;
}

/** Sizes of a model's attention layers. Virtual tokens and caches must have matching sizes. */
export interface AttentionSizes extends CacheSizes {
  readonly hiddenSize: number;
  readonly attentionHeads: number;
}

/** A model that can prepend virtual tokens to its sequences. */
export interface PromptableModel extends Module {
  /** The virtual tokens that the model puts before each sequence. Null: none. */
  virtualTokens: VirtualTokens | null;
  readonly attentionSizes: AttentionSizes;
  /**
   * True if the model's layers look up values by token id, in addition to the input embeddings. Virtual tokens given as
   * embeddings have no ids, so they cannot be used with such a model. Default false.
   */
  readonly needsTokenIds?: boolean;
}
