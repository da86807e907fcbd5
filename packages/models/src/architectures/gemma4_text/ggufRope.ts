import type { GgufParts } from "../../gguf/ggufForm.ts";
import { decimal, notInGguf } from "../../gguf/ggufValues.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";

/** Name of the tensor with the divisor of each rotary frequency in full-attention layers. */
const tensor = "rope_freqs.weight";
/**
 * The divisor that llama.cpp stores for a frequency that does not rotate (`still`). Every divisor from `leastStill` on
 * is read as "does not rotate".
 */
const [still, leastStill] = [1e30, 1e20];

/**
 * Returns the divisors of the rotary frequencies of a head with `dim` elements. Throws for scalings other than
 * "proportional".
 */
export function proportionalFactors({ scaling }: RopeConfig, dim: number): Record<string, number[]> {
  if (scaling && scaling.type !== "proportional") {
    throw notInGguf("rope_type of full_attention", scaling.type, "default or proportional");
  }
  const factor = scaling?.factor ?? 1;
  const part = scaling?.partialRotaryFactor ?? 1;
  const turning = Math.floor((part * dim) / 2);
  return { [tensor]: Array.from({ length: dim / 2 }, (_, i) => (i < turning ? factor : still)) };
}

/**
 * Reads the config's rotary embedding settings from the frequency divisors. Throws if they do not describe a
 * "proportional" scaling.
 */
export function readProportional({ metadata, ropeFactors }: GgufParts, dim: number): Record<string, unknown> {
  const factors = ropeFactors.get(tensor);
  if (!factors) throw new Error(`${metadata.where}: the tensor "${tensor}" is missing`);
  const turning = Array.from(factors).filter((factor) => factor < leastStill).length;
  const [factor] = turning > 0 ? factors : [1];
  const fits = factors.every((other, i) => (i < turning ? other === factor : other >= leastStill));
  if (factors.length !== dim / 2 || !fits) {
    throw new Error(
      `${metadata.where}: ${tensor} must rotate only the first of ${dim / 2} frequencies, all with the same factor; other RoPE scalings are not supported`,
    );
  }
  // The fraction of the pairs that rotate. Rounding could make the plain quotient give one pair too few.
  const pairs = dim / 2;
  const part = [turning / pairs, (turning + 0.5) / pairs].find((one) => Math.floor((one * dim) / 2) === turning);
  return { rope_type: "proportional", factor: decimal(factor), partial_rotary_factor: part };
}
