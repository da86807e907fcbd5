import { checkOptions } from "@lowrank/core/internal";
import fc from "fast-check";
import type { AdapterValues } from "../subjects/adapterValues.ts";
import type { InputsDescription } from "../subjects/inputs.ts";

/** Limits of `arbitraryInputs`. */
export interface ArbitraryInputsOptions {
  /** The largest number of sequences. Default: 5. */
  maxBatch?: number;
  /** The largest number of tokens in a sequence. Default: 6. */
  maxLength?: number;
}

/**
 * Returns an arbitrary of fast-check that draws batches of random token ids. Failing batches shrink to one sequence of
 * one token.
 *
 * @example
 * ```ts
 * fc.asyncProperty(arbitraryInputs({ maxLength: 3 }), (inputs) => mergeEqualsUnmerged(model, config, { inputs }));
 * ```
 */
export function arbitraryInputs(options: ArbitraryInputsOptions = {}): fc.Arbitrary<InputsDescription> {
  checkOptions("arbitraryInputs", options, { maxBatch: true, maxLength: true });
  const { maxBatch = 5, maxLength = 6 } = options;
  return fc.record({
    batch: fc.integer({ min: 1, max: maxBatch }),
    length: fc.integer({ min: 1, max: maxLength }),
    seed: fc.nat({ max: 1000 }),
  });
}

/**
 * Returns an arbitrary of fast-check that draws the values of an adapter: normal, large, tiny, or rounded to half
 * precision, with a seed. Failing values shrink to normal ones.
 *
 * @example
 * ```ts
 * fc.asyncProperty(arbitraryAdapterValues(), (values) => mergeEqualsUnmerged(model, config, { values }));
 * ```
 */
export function arbitraryAdapterValues(): fc.Arbitrary<AdapterValues> {
  return fc.record({
    kind: fc.constantFrom("normal" as const, "large" as const, "tiny" as const, "half" as const),
    seed: fc.nat({ max: 1000 }),
  });
}
