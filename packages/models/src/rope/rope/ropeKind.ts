import type { JsonFields } from "../../config/jsonFields.ts";

/** The sizes of a model that a scaling's defaults follow from. */
interface RopeSizes {
  /** Numbers of a head that turn. */
  readonly rotaryDim: number;
  readonly maxPositionEmbeddings: number;
  /** The length of the texts that the model was first trained on. */
  readonly originalMaxPositionEmbeddings: number;
}

/** A way of stretching rotary embedding for texts longer than a model was trained on. */
export interface RopeKind<S> {
  /** Reads its settings from transformers' `rope_scaling` or `rope_parameters`. */
  read(fields: JsonFields, sizes: RopeSizes): S;
  /** Gives the keys of `rope_scaling`, but for `rope_type`. */
  write(scaling: S): Record<string, unknown>;
  /** The frequencies of `dim` turning numbers, for texts of `length` tokens. */
  frequencies(theta: number, dim: number, scaling: S, length: number): Float32Array;
  /** True if frequencies are those of a whole head, whatever part of it turns. Default false. */
  readonly spansHead?: boolean;
  /** The factor of cos and sin. Default 1. */
  attentionFactor?(scaling: S): number;
  /**
   * Gives the length that stands for all texts with the same frequencies as those of `length`
   * tokens. Default: frequencies are the same for all.
   */
  lengthFor?(scaling: S, length: number): number;
  /**
   * True if cached keys are made anew where a text grows out of the length for which they turned.
   * Default: they stay, as in transformers.
   */
  readonly rebuilds?: boolean;
  /** The most positions of a text, where the config's `max_position_embeddings` are fewer. */
  reach?(scaling: S): number;
}

/** Reads a factor of at least 1. */
export function readFactor(fields: JsonFields, fallback?: number): number {
  const factor = fields.number("factor", fallback);
  if (factor < 1) throw fields.bad("factor", "a number of at least 1");
  return factor;
}
