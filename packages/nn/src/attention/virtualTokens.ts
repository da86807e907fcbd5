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

/** The types of the tokens of each row [B][T], which CPT uses. */
export type TokenTypes = readonly ArrayLike<number>[];

/** A batch whose loss virtual tokens compute. B rows, T tokens, P virtual tokens, V classes. */
export interface PromptedLabels {
  /** The labels of the tokens, i32 [B, T], with -100 for tokens that do not count. */
  readonly labels: Tensor;
  /** The types of the tokens. Null if the batch lacks them. */
  readonly inputTypeMask: TokenTypes | null;
  /** Returns the logits of all tokens, f32 [B, P + T, V]. */
  logits(): Tensor;
  /**
   * Returns the mean cross-entropy of `labels`, i32 [B, T], or [B, P + T] with labels of virtual tokens. It does not
   * keep all logits in memory if the model's `loss` does not.
   */
  meanLoss(labels: Tensor): Tensor;
}

/** A loss that replaces the mean cross-entropy of a language model, such as CPT's weighted loss. */
export interface PromptLoss {
  /** Returns the loss of a batch. To add a term to the usual loss, add it to `meanLoss(labels)`. */
  of(batch: PromptedLabels): Tensor;
  /**
   * Returns the labels that count in one row [P + T], with -100 for tokens that do not count. `types` are the types of
   * the row's tokens; null if the batch lacks them.
   */
  labelsOf(labels: ArrayLike<number>, types: ArrayLike<number> | null): Int32Array;
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
  /** The loss that replaces a language model's mean cross-entropy. Default: none. */
  readonly loss?: PromptLoss | null;
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
