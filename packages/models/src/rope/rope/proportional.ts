import { plainFrequencies, type RopeKind, readFactor } from "./ropeKind.ts";

/**
 * Gemma 4's scaling. Each pair of elements of a head has a frequency. The highest frequencies are divided by `factor`;
 * the others are 0, so their pairs do not rotate.
 */
export interface ProportionalRopeScaling {
  type: "proportional";
  factor: number;
  /** The fraction of a head's pairs of elements that rotate. */
  partialRotaryFactor: number;
}

/**
 * Gemma 4's scaling, which spans the whole head: element i of a head of d elements forms a pair with element i + d/2.
 * Pairs with frequency 0 do not rotate.
 */
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
