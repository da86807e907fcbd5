import type { JsonFields } from "../../config/jsonFields.ts";

/** Sizes of a model from which the default settings of a scaling are computed. */
interface RopeSizes {
  /** Number of elements of a head that are rotated. */
  readonly rotaryDim: number;
  readonly maxPositionEmbeddings: number;
  /** Maximum sequence length in the original training. */
  readonly originalMaxPositionEmbeddings: number;
}

/** One kind of scaling of rotary embeddings, usually for sequences longer than in training. */
export interface RopeKind<S> {
  /** Reads the settings from transformers' `rope_scaling` or `rope_parameters`. */
  read(fields: JsonFields, sizes: RopeSizes): S;
  /** Returns the keys of `rope_scaling`, except `rope_type`. */
  write(scaling: S): Record<string, unknown>;
  /** Returns the frequencies for `dim` rotated elements in radians per position, for a sequence of `length` tokens. */
  frequencies(theta: number, dim: number, scaling: S, length: number): Float32Array;
  /** True if frequencies are computed for all elements of a head, even if only a part of it rotates. Default false. */
  readonly spansHead?: boolean;
  /** Returns the factor by which cos and sin are multiplied. Default 1. */
  attentionFactor?(scaling: S): number;
  /**
   * Maps a sequence length to a length that represents it: all lengths with the same result have the same frequencies.
   * Default: the frequencies do not depend on the length.
   */
  lengthFor?(scaling: S, length: number): number;
  /**
   * True to compute all cached keys again when a sequence becomes so long that its frequencies change. Default false:
   * cached keys are kept, as in transformers.
   */
  readonly rebuilds?: boolean;
  /** Returns the maximum number of positions. Default: `max_position_embeddings`. */
  reach?(scaling: S): number;
}

/** Reads the field `factor`, which must be at least 1. */
export function readFactor(fields: JsonFields, fallback?: number): number {
  const factor = fields.number("factor", fallback);
  if (factor < 1) throw fields.bad("factor", "a number of at least 1");
  return factor;
}

/** Rounds to f32, as transformers does after every step. */
export const f32: (x: number) => number = Math.fround;

/**
 * Returns theta ** (2 i / dim) in f32 for each pair of elements, where i is the pair's index, from 0. This is the
 * inverse of the pair's frequency.
 */
export function wavelengths(theta: number, dim: number): Float32Array {
  return Float32Array.from({ length: dim / 2 }, (_, i) => theta ** f32((2 * i) / dim));
}

/** Returns the frequencies without scaling, in radians per position. */
export function plainFrequencies(theta: number, dim: number): Float32Array {
  return wavelengths(theta, dim).map((length) => 1 / length);
}
