import type { JsonFields } from "../../config/jsonFields.ts";

/** Sizes of a model from which defaults of a scaling are computed. */
interface RopeSizes {
  /** Number of elements of a head that are rotated. */
  readonly rotaryDim: number;
  readonly maxPositionEmbeddings: number;
  /** Maximum sequence length in the original training. */
  readonly originalMaxPositionEmbeddings: number;
}

/** A scaling of rotary embeddings for sequences longer than in training. */
export interface RopeKind<S> {
  /** Reads the settings from transformers' `rope_scaling` or `rope_parameters`. */
  read(fields: JsonFields, sizes: RopeSizes): S;
  /** Returns the keys of `rope_scaling`, without `rope_type`. */
  write(scaling: S): Record<string, unknown>;
  /** Returns the frequencies of `dim` rotated elements, for sequences of `length` tokens. */
  frequencies(theta: number, dim: number, scaling: S, length: number): Float32Array;
  /** True if frequencies are computed for a whole head even if only a part is rotated. Default false. */
  readonly spansHead?: boolean;
  /** Returns the factor of cos and sin. Default 1. */
  attentionFactor?(scaling: S): number;
  /**
   * Returns a representative length: sequences with the same result have the same frequencies. Default: frequencies do
   * not depend on the length.
   */
  lengthFor?(scaling: S, length: number): number;
  /**
   * True if cached keys are computed again when the sequence grows beyond the length for which they were rotated.
   * Default false: they are kept, as in transformers.
   */
  readonly rebuilds?: boolean;
  /** Returns the maximum number of positions, if it may be larger than `max_position_embeddings`. */
  reach?(scaling: S): number;
}

/** Reads `factor`, at least 1. */
export function readFactor(fields: JsonFields, fallback?: number): number {
  const factor = fields.number("factor", fallback);
  if (factor < 1) throw fields.bad("factor", "a number of at least 1");
  return factor;
}
