import { type AttentionDropout, slice, type Tensor } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import { Module } from "../module/module.ts";

/** Options of one call of `AttentionCache.attend`. */
export interface CachedAttendOptions extends Omit<AttendOptions, "reach"> {
  /** True if each token attends only to positions up to its own. */
  readonly causal: boolean;
  /** bool or u8 mask, true = attend. It broadcasts to [B, H, T, S], where S is the number of keys. */
  readonly mask?: Tensor;
}

/** The names of all options of `CachedAttendOptions`. */
export const attendKeys: OptionKeys<CachedAttendOptions> = {
  ...({ scale: true, window: true, softcap: true, causal: true, mask: true, dropoutP: true, generator: true } as const),
};

/**
 * Stores what a forward pass needs from earlier tokens: their keys and values and, for layers with a convolution, the
 * inputs of the convolution. Layers are counted from 0.
 */
export interface AttentionCache {
  /**
   * True for a cache that stores nothing. Gradient checkpointing runs the model's blocks a second time, which would
   * change any other cache. Checkpointing is therefore used only if there is no cache, or if this field is true.
   * Default false.
   */
  readonly isStateless?: boolean;
  /** True if the cache holds several sequences, each with its own length. Default false. */
  readonly holdsSeveral?: boolean;
  /** Number of earlier tokens in the longest sequence. */
  readonly length: number;
  /** Stores the keys and values of new tokens [B, T, Hkv, d] for a layer. */
  update(layer: number, keys: Tensor, values: Tensor): void;
  /**
   * Stores `keys` and `values` as `update` does. Returns the attention of q [B, T, H, d] over all keys and values
   * stored so far.
   */
  attend(layer: number, q: Tensor, keys: Tensor, values: Tensor, options: CachedAttendOptions): Tensor;
  /**
   * Stores a convolution's inputs for the new tokens, [B, T, W], and returns `count` tensors of the same shape. For
   * each new token, tensor i (counted from 1) holds the input of the token i positions before it. Positions before the
   * start of the sequence are zeros.
   */
  earlier(layer: number, rows: Tensor, count: number): Tensor[];
  /** Adds `tokens` to the length of each sequence. Call it after every layer has stored these new tokens. */
  advance(tokens: number): void;
}

/** Options of one call of `Attend`. The dropout options are set only if the layer trains with attention dropout. */
export interface AttendOptions extends AttentionDropout {
  /** Factor by which the products of queries and keys are multiplied. */
  readonly scale: number;
  /**
   * Sliding window: each token attends to at most this many positions, the last of which is its own. Default: all
   * positions up to its own.
   */
  readonly window?: number;
  /** Encoders only: each token attends to this many positions on both sides. Default: all. */
  readonly reach?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap). Default: no cap. */
  readonly softcap?: number;
}

/**
 * Computes attention from q [B, T, H, d] to k and v [B, T, Hkv, d] and to the cached keys and values of `layer`,
 * counted from 0.
 */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions) => Tensor;

/**
 * An attention sub-layer. `forward` receives the function that computes attention as an argument. A wrapper of the
 * layer can therefore pass another function, for example one that also reads the queries.
 */
export abstract class AttentionLayer extends Module {
  override get layerKind(): "attention" {
    return "attention";
  }

  /** Maps normalised hidden states [B, T, D] to the output [B, T, D], which the caller adds to the residual. */
  abstract forward(x: Tensor, layer: number, attend: Attend, ...rest: never[]): Tensor;
}

/** Sizes of the tensors that one layer caches for each token. */
export interface LayerCache {
  /** Number of heads of the layer's keys and values; 0 if the layer has no attention. */
  readonly keyValueHeads: number;
  readonly headDim: number;
  /**
   * Width of the convolution's input for one token, which the cache stores. Default 0: the layer has no convolution.
   */
  readonly rowWidth?: number;
}

/** Sizes of a cache for all layers of a model. */
export interface CacheSizes {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The sizes of each layer, if they differ. Default: every layer has `keyValueHeads` heads of size `headDim`. */
  readonly perLayer?: readonly LayerCache[];
}

/** Returns the cache sizes of each layer. */
export function layerCaches({ layers, keyValueHeads, headDim, perLayer }: CacheSizes): readonly LayerCache[] {
  return perLayer ?? Array.from({ length: layers }, () => ({ keyValueHeads, headDim }));
}

/**
 * Returns the earlier inputs of a causal convolution: `count` tensors [B, T, W]. `rows` [B, count + T, W] holds the
 * `count` inputs before the current ones, then the T current inputs. For each current input, tensor i (counted from 1)
 * holds the input i positions before it.
 */
export function earlierRows(rows: Tensor, count: number): Tensor[] {
  const T = rows.shape[1] - count;
  return Array.from({ length: count }, (_, i) => slice(rows, { dim: 1, start: count - 1 - i, end: count - 1 - i + T }));
}
