import type { Tensor } from "@lowrank/core";
import type { AttendOptions } from "./attentionLayer.ts";

/** Options of one call of `AttentionCache.attend`. */
export interface CachedAttendOptions extends Omit<AttendOptions, "reach"> {
  /** True if a token attends only to positions up to its own. */
  readonly causal: boolean;
  /** u8 or bool, true = attend. Broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor;
}

/**
 * Stores, for a forward pass, the keys and values of earlier tokens and the earlier rows that convolutions read. Layers
 * are counted from 0.
 */
export interface AttentionCache {
  /** True for a cache that stores nothing, so that blocks may run again in a checkpoint. Default false. */
  readonly isStateless?: boolean;
  /** True for a cache whose sequences may have different lengths. Default false. */
  readonly holdsSeveral?: boolean;
  /** The maximum number of earlier tokens in a sequence. */
  readonly length: number;
  /** Stores a layer's keys and values of new tokens [B, T, Hkv, d]. */
  update(layer: number, keys: Tensor, values: Tensor): void;
  /** Stores keys and values as `update` does, and attends from q [B, T, H, d] to all keys stored so far. */
  attend(layer: number, q: Tensor, keys: Tensor, values: Tensor, options: CachedAttendOptions): Tensor;
  /**
   * Stores a layer's rows of new tokens [B, T, W]. Returns `count` tensors of the same shape. Tensor i (from 1) holds
   * the rows i tokens earlier in the sequence; zeros before its first token.
   */
  earlier(layer: number, rows: Tensor, count: number): Tensor[];
  /** Adds `tokens` new tokens to the length of each sequence, after every layer has stored them. */
  advance(tokens: number): void;
}
