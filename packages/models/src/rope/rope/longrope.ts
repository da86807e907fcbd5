import type { JsonFields } from "../../config/jsonFields.ts";
import { f32, type RopeKind, readFactor, wavelengths } from "./ropeKind.ts";

/**
 * LongRoPE: each frequency is divided by its own factor, from `shortFactor` in short sequences and from `longFactor` in
 * long ones.
 */
export interface LongRopeScaling {
  type: "longrope";
  /** Factor by which cos and sin are multiplied. */
  attentionFactor: number;
  shortFactor: number[];
  longFactor: number[];
  /** Maximum number of tokens in a short sequence. */
  originalMaxPositionEmbeddings: number;
}

function readFactors(fields: JsonFields, key: string, length: number): number[] {
  const factors = fields.raw(key);
  const fits = Array.isArray(factors) && factors.length === length && factors.every((f) => Number.isFinite(f) && f > 0);
  if (fits) return factors;
  throw fields.bad(key, `a list of ${length} positive numbers, one for each rotated pair of a head's elements`);
}

/**
 * Returns the default of `attentionFactor`. `original` is the number of positions in the original training. `factor` is
 * the extended number of positions divided by `original`.
 */
export function defaultAttentionFactor(factor: number, original: number): number {
  return factor === 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}

/** LongRoPE. Ding et al. 2024, arXiv:2402.13753. */
export const longrope: RopeKind<LongRopeScaling> = {
  read: (fields, { rotaryDim, maxPositionEmbeddings, originalMaxPositionEmbeddings: original }) => {
    const factor = readFactor(fields, Math.max(1, maxPositionEmbeddings / original));
    return {
      type: "longrope",
      attentionFactor: fields.number("attention_factor", defaultAttentionFactor(factor, original)),
      shortFactor: readFactors(fields, "short_factor", rotaryDim / 2),
      longFactor: readFactors(fields, "long_factor", rotaryDim / 2),
      originalMaxPositionEmbeddings: original,
    };
  },
  write: ({ attentionFactor, shortFactor, longFactor, originalMaxPositionEmbeddings }) => ({
    attention_factor: attentionFactor,
    long_factor: longFactor,
    original_max_position_embeddings: originalMaxPositionEmbeddings,
    short_factor: shortFactor,
  }),
  attentionFactor: ({ attentionFactor }) => attentionFactor,
  frequencies: (theta, dim, { shortFactor, longFactor, originalMaxPositionEmbeddings: original }, length) => {
    const factors = length > original ? longFactor : shortFactor;
    return wavelengths(theta, dim).map((wavelength, i) => 1 / f32(f32(factors[i]) * wavelength));
  },
  rebuilds: true,
  lengthFor: ({ originalMaxPositionEmbeddings: original }, length) =>
    length > original ? Number.POSITIVE_INFINITY : original,
};
