import { plainFrequencies, type RopeKind, readFactor } from "./ropeKind.ts";

/** Linear scaling: positions are divided by `factor`. */
export interface LinearRopeScaling {
  type: "linear";
  factor: number;
}

/** Linear scaling. Chen et al. 2023, arXiv:2306.15595. */
export const linear: RopeKind<LinearRopeScaling> = {
  read: (fields) => ({ type: "linear", factor: readFactor(fields) }),
  write: ({ factor }) => ({ factor }),
  frequencies: (theta, dim, { factor }) => plainFrequencies(theta, dim).map((f) => f / factor),
};
