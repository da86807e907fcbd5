import type { GgufParts } from "../../gguf/ggufForm.ts";
import { decimal, notInGguf } from "../../gguf/ggufValues.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";

/** The tensor that holds a divisor of each frequency of the layers that see all positions. */
const tensor = "rope_freqs.weight";
/** llama.cpp's divisor of a frequency that does not turn, and the least that is taken for it. */
const [still, leastStill] = [1e30, 1e20];

/** Returns divisors of the frequencies of a head of `dim` numbers. Throws for other scalings. */
export function proportionalFactors({ scaling }: RopeConfig, dim: number): Record<string, number[]> {
  if (scaling && scaling.type !== "proportional") {
    throw notInGguf("rope_type of full_attention", scaling.type, "default or proportional");
  }
  const { factor, partialRotaryFactor } = scaling ?? { factor: 1, partialRotaryFactor: 1 };
  const turning = Math.floor((partialRotaryFactor * dim) / 2);
  return { [tensor]: Array.from({ length: dim / 2 }, (_, i) => (i < turning ? factor : still)) };
}

/** Reads a config's settings of the rotary embedding from the divisors of its frequencies. */
export function readProportional({ metadata, ropeFactors }: GgufParts, dim: number): Record<string, unknown> {
  const factors = ropeFactors.get(tensor);
  if (!factors) throw new Error(`${metadata.where}: the tensor "${tensor}" is missing`);
  const turning = Array.from(factors).filter((factor) => factor < leastStill).length;
  const [factor] = turning > 0 ? factors : [1];
  const fits = factors.every((other, i) => (i < turning ? other === factor : other >= leastStill));
  if (factors.length !== dim / 2 || !fits) {
    throw new Error(
      `${metadata.where}: ${tensor} is no rotary embedding of the first part of ${dim / 2} frequencies, which is supported`,
    );
  }
  // A part that gives so many frequencies: not all divisions do.
  const pairs = dim / 2;
  const part = [turning / pairs, (turning + 0.5) / pairs].find((one) => Math.floor((one * dim) / 2) === turning);
  return { rope_type: "proportional", factor: decimal(factor), partial_rotary_factor: part };
}
