import { checkOptions } from "@lowrank/core/internal";
import { architectures } from "@lowrank/models";
import fc from "fast-check";
import type { ModelDescription } from "../subjects/modelDescription.ts";

/** Limits of `arbitraryModel`. An omitted field has all values. */
export interface ArbitraryModelOptions {
  /** Names of architectures, the simplest first. Default: "llama", then all other causal language models. */
  architectures?: readonly string[];
  /** Default: f32, f16 and bf16. */
  dtypes?: readonly ModelDescription["dtype"][];
  /** Default: none, nf4 and fp4. */
  quantized?: readonly ModelDescription["quantized"][];
}

/** Returns the causal language models of the registry, "llama" first. */
function allArchitectures(): string[] {
  const names = architectures().flatMap(({ modelType, heads }) => (heads.causalLM ? [modelType] : []));
  return ["llama", ...names.filter((name) => name !== "llama")];
}

/**
 * Returns an arbitrary of fast-check that draws descriptions of small language models: architecture, sizes, dtype,
 * quantisation and the seed of the weights. Failing descriptions shrink to one layer of llama with 4 hidden elements in
 * f32. `buildModel` makes the model. Throws `OptionError` for unknown options.
 *
 * @example
 * ```ts
 * await fc.assert(
 *   fc.asyncProperty(arbitraryModel({ dtypes: ["bf16"] }), (model) => mergeEqualsUnmerged(model, config)),
 *   { numRuns: 20 },
 * );
 * ```
 */
export function arbitraryModel(options: ArbitraryModelOptions = {}): fc.Arbitrary<ModelDescription> {
  checkOptions("arbitraryModel", options, { architectures: true, dtypes: true, quantized: true });
  const { dtypes = ["f32", "f16", "bf16"], quantized = [null, "nf4", "fp4"] } = options;
  return fc.record({
    architecture: fc.constantFrom(...(options.architectures ?? allArchitectures())),
    layers: fc.integer({ min: 1, max: 2 }),
    width: fc.integer({ min: 1, max: 3 }).map((quarter) => 4 * quarter),
    vocabulary: fc.integer({ min: 5, max: 9 }),
    dtype: fc.constantFrom(...dtypes),
    quantized: fc.constantFrom(...quantized),
    seed: fc.nat({ max: 1000 }),
  });
}
