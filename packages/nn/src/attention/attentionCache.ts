import type { Tensor } from "@lowrank/core";
import type { AttendOptions } from "./attentionLayer.ts";

/** Options of one call of `AttentionCache.attend`. */
export interface CachedAttendOptions extends Omit<AttendOptions, "reach"> {
  /** True if each token attends only to positions up to its own. */
  readonly causal: boolean;
  /** bool or u8 mask, true = attend. It broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor;
}

/**
 * A store for what a forward pass needs from earlier tokens: their keys and values, and the earlier rows that
 * convolutions read. Layers are counted from 0.
 */
export interface AttentionCache {
  /**
   * True for a cache that stores nothing. Only then can gradient checkpointing run the model's blocks a second time.
   * Default false.
   */
  readonly isStateless?: boolean;
  /** True if the cache holds several sequences, each with its own length. Default false. */
  readonly holdsSeveral?: boolean;
  /** Number of earlier tokens in the longest sequence. */
  readonly length: number;
  /** Stores the keys and values of new tokens [B, T, Hkv, d] for a layer. */
  update(layer: number, keys: Tensor, values: Tensor): void;
  /** Stores keys and values as `update` does, and attends from q [B, T, H, d] to all keys stored so far. */
  attend(layer: number, q: Tensor, keys: Tensor, values: Tensor, options: CachedAttendOptions): Tensor;
  /**
   * Stores the rows of new tokens [B, T, W] for a layer with a convolution. Returns `count` tensors of the same shape.
   * Tensor i (counted from 1) holds, for each new token, the row of the token i positions before it; zeros before the
   * start of the sequence.
   */
  earlier(layer: number, rows: Tensor, count: number): Tensor[];
  /** Adds `tokens` new tokens to the length of each sequence, after every layer has stored them. */
  advance(tokens: number): void;
}
