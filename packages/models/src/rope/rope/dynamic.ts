import { f32, plainFrequencies, type RopeKind, readFactor } from "./ropeKind.ts";

/** Dynamic NTK scaling: for sequences that are longer than in training, theta grows with the sequence length. */
export interface DynamicRopeScaling {
  type: "dynamic";
  factor: number;
  originalMaxPositionEmbeddings: number;
}

/** Dynamic NTK scaling, proposed by the Reddit users bloc97 and emozilla. */
export const dynamic: RopeKind<DynamicRopeScaling> = {
  read: (fields, { maxPositionEmbeddings }) => ({
    type: "dynamic",
    factor: readFactor(fields),
    originalMaxPositionEmbeddings: maxPositionEmbeddings,
  }),
  write: ({ factor }) => ({ factor }),
  frequencies: (theta, dim, { factor, originalMaxPositionEmbeddings: original }, length) => {
    const stretch = f32(f32(f32(factor * length) / original) - (factor - 1));
    return plainFrequencies(f32(theta * f32(stretch ** (dim / (dim - 2)))), dim);
  },
  lengthFor: ({ originalMaxPositionEmbeddings: original }, length) => Math.max(original, length),
  reach: ({ factor, originalMaxPositionEmbeddings: original }) => Math.floor(factor * original),
};
