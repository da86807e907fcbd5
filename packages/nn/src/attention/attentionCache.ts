import type { Tensor } from "@lowrank/core";
import type { AttendOptions } from "./attentionLayer.ts";

/** Options of one call of `AttentionCache.attend`. */
export interface CachedAttendOptions extends Omit<AttendOptions, "reach"> {
  /** A token sees the positions up to its own alone. */
  readonly causal: boolean;
  /** u8 or bool, true = attend; broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor;
}

/**
 * The keys and values of earlier tokens, and rows that convolutions go back to, as a forward pass
 * asks for them; layers count from 0.
 */
export interface AttentionCache {
  /** True for one that keeps nothing of a pass, so that blocks may run again. Default false. */
  readonly isStateless?: boolean;
  /** True for one in which sequences of different lengths stand side by side. Default false. */
  readonly holdsSeveral?: boolean;
  /** The most tokens that stand before these ones in a sequence. */
  readonly length: number;
  /** Stores a layer's keys and values of new tokens [B, T, Hkv, d]. */
  update(layer: number, keys: Tensor, values: Tensor): void;
  /** Stores keys and values as `update` does, and attends from q [B, T, H, d] to all so far. */
  attend(layer: number, q: Tensor, keys: Tensor, values: Tensor, options: CachedAttendOptions): Tensor;
  /**
   * Stores a layer's rows of new tokens [B, T, W]. Returns, for each number from 1 to `count`, the
   * rows that stand so many tokens before them in their sequences; zeros where none does.
   */
  earlier(layer: number, rows: Tensor, count: number): Tensor[];
  /** Counts `tokens` new tokens of each sequence as seen, once every layer has stored them. */
  advance(tokens: number): void;
}
