import type { JsonFields } from "../../config/jsonFields.ts";
import { f32, type RopeKind, readFactor, wavelengths } from "./ropeKind.ts";

/** YaRN: low frequencies are divided by `factor`, high ones are kept, with a linear ramp between. */
export interface YarnRopeScaling {
  type: "yarn";
  factor: number;
  /** Factor by which cos and sin are multiplied. */
  attentionFactor: number;
  /**
   * Frequencies that complete at least this many rotations within `originalMaxPositionEmbeddings` positions are kept.
   */
  betaFast: number;
  /**
   * Frequencies that complete fewer than this many rotations within `originalMaxPositionEmbeddings` positions are
   * divided by `factor`.
   */
  betaSlow: number;
  /** True to round the bounds of the ramp to integer frequency indices. */
  truncate: boolean;
  originalMaxPositionEmbeddings: number;
}

function readAttentionFactor(fields: JsonFields, factor: number): number {
  const grown = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const [mscale, all] = ["mscale", "mscale_all_dim"].map((key) => fields.number(key, 0));
  const usual = mscale !== 0 && all !== 0 ? grown(mscale) / grown(all) : grown(1);
  return fields.number("attention_factor", usual);
}

/** YaRN. Peng et al. 2023, arXiv:2309.00071. */
export const yarn: RopeKind<YarnRopeScaling> = {
  read: (fields, { maxPositionEmbeddings, originalMaxPositionEmbeddings }) => {
    const factor = readFactor(fields, maxPositionEmbeddings / originalMaxPositionEmbeddings);
    return {
      type: "yarn",
      factor,
      attentionFactor: readAttentionFactor(fields, factor),
      betaFast: fields.number("beta_fast", 32),
      betaSlow: fields.number("beta_slow", 1),
      truncate: fields.boolean("truncate", true),
      originalMaxPositionEmbeddings,
    };
  },
  write: ({ factor, attentionFactor, betaFast, betaSlow, truncate, originalMaxPositionEmbeddings }) => ({
    attention_factor: attentionFactor,
    beta_fast: betaFast,
    beta_slow: betaSlow,
    factor,
    original_max_position_embeddings: originalMaxPositionEmbeddings,
    truncate,
  }),
  attentionFactor: ({ attentionFactor }) => attentionFactor,
  frequencies: (theta, dim, scaling) => {
    const { factor, betaFast, betaSlow, truncate, originalMaxPositionEmbeddings: original } = scaling;
    // The index (with a fraction) of the frequency that completes this many rotations within the original length.
    const turning = (times: number) => (dim * Math.log(original / (times * 2 * Math.PI))) / (2 * Math.log(theta));
    const [from, to] = [turning(betaFast), turning(betaSlow)];
    const low = Math.max(truncate ? Math.floor(from) : from, 0);
    const top = Math.min(truncate ? Math.ceil(to) : to, dim - 1);
    const high = top === low ? top + 0.001 : top;
    return wavelengths(theta, dim).map((wavelength, i) => {
      const ramp = Math.min(1, Math.max(0, f32(f32(i - f32(low)) / f32(high - low))));
      const kept = f32(1 - ramp);
      const divided = f32(1 / f32(factor * wavelength));
      return f32(divided * f32(1 - kept)) + f32(f32(1 / wavelength) * kept);
    });
  },
};
