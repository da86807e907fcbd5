import { f32, plainFrequencies, type RopeKind, readFactor } from "./ropeKind.ts";

/** Llama 3.1's scaling: low frequencies are divided by `factor`, high ones are kept, with a smooth transition. */
export interface Llama3RopeScaling {
  type: "llama3";
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  originalMaxPositionEmbeddings: number;
}

function scaled(f: number, scaling: Llama3RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  // PyTorch computes number / tensor as number * (1 / tensor), with rounding after each step.
  const wavelength = f32(f32(1 / f) * f32(2 * Math.PI));
  if (wavelength < original / highFreqFactor) return f;
  if (wavelength > original / lowFreqFactor) return f / factor;
  const turns = f32(f32(1 / wavelength) * original);
  const smooth = f32(f32(turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
  return f32(f32(f32(1 - smooth) * f) / factor) + f32(smooth * f);
}

/** Llama 3.1's scaling. Grattafiori et al. 2024, arXiv:2407.21783. */
export const llama3: RopeKind<Llama3RopeScaling> = {
  read: (fields, { originalMaxPositionEmbeddings }) => {
    const factor = readFactor(fields);
    const lowFreqFactor = fields.number("low_freq_factor");
    const highFreqFactor = fields.number("high_freq_factor");
    if (highFreqFactor <= lowFreqFactor)
      throw fields.bad("high_freq_factor", `more than low_freq_factor ${lowFreqFactor}`);
    return { type: "llama3", factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings };
  },
  write: ({ factor, highFreqFactor, lowFreqFactor, originalMaxPositionEmbeddings }) => ({
    factor,
    high_freq_factor: highFreqFactor,
    low_freq_factor: lowFreqFactor,
    original_max_position_embeddings: originalMaxPositionEmbeddings,
  }),
  frequencies: (theta, dim, scaling) => plainFrequencies(theta, dim).map((f) => scaled(f, scaling)),
};
