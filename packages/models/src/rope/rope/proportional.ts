import { plainFrequencies } from "./plainFrequencies.ts";
import { type RopeKind, readFactor } from "./ropeKind.ts";

/** Frequencies of a whole head, of which the fast ones turn; the others stand still. */
export interface ProportionalRopeScaling {
  type: "proportional";
  factor: number;
  /** The part of the frequencies that turn. */
  partialRotaryFactor: number;
}

/** Gemma 4's way: pairs lie half a head apart, and few of them turn. */
export const proportional: RopeKind<ProportionalRopeScaling> = {
  spansHead: true,
  read: (fields) => {
    const partialRotaryFactor = fields.number("partial_rotary_factor", 1);
    if (!(partialRotaryFactor >= 0 && partialRotaryFactor <= 1)) {
      throw fields.bad("partial_rotary_factor", "a number from 0 to 1");
    }
    return { type: "proportional", factor: readFactor(fields, 1), partialRotaryFactor };
  },
  write: ({ factor, partialRotaryFactor }) => ({
    ...(factor === 1 ? {} : { factor }),
    partial_rotary_factor: partialRotaryFactor,
  }),
  frequencies: (theta, dim, { factor, partialRotaryFactor }) => {
    const turning = Math.floor((partialRotaryFactor * dim) / 2);
    return plainFrequencies(theta, dim).map((f, i) => (i < turning ? f / factor : 0));
  },
};
