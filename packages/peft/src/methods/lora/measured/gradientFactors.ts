import { type Generator, truncatedQr, truncatedSvd } from "@lowrank/core";
import { checkOneOf, refuse } from "../../../config/checks.ts";
import type { LoraConfig, LoraGAConfig } from "../loraConfig.ts";
import type { HostStart, MeasuredLinear } from "./measuredStart.ts";

/** Throws for options of LoRA-GA that are out of range. */
export function checkLoraGa(config: LoraConfig): void {
  const { direction, scale, stableGamma } = config.loraGaConfig!;
  checkOneOf(config, "loraGaConfig.direction", direction, ["ArBr", "A2rBr", "ArB2r", "random"]);
  checkOneOf(config, "loraGaConfig.scale", scale, ["stable", "weight_svd", "gd_scale", "unit"]);
  if (!(Number.isFinite(stableGamma) && stableGamma > 0)) {
    refuse(config, "loraGaConfig.stableGamma", stableGamma, "above 0");
  }
}

/**
 * Returns LoRA-GA's factors for the gradient [out, in] of a layer's weight: A from its right singular vectors, B from
 * its left singular vectors times the singular values. PEFT approximates the singular vectors of large gradients; here
 * they are exact. Wang et al. 2024, https://arxiv.org/abs/2407.05000
 */
export async function gradientFactors(
  { weight, stored, r, scaling }: MeasuredLinear,
  gradient: Float32Array,
  { direction, scale, stableGamma }: LoraGAConfig,
  generator: Generator,
): Promise<HostStart> {
  const [rows, columns] = weight.shape;
  const svd = truncatedSvd(gradient, rows, columns, 2 * r);
  const right = completed(svd.right, svd.values, columns);
  const [ofA, ofB] = chosen(direction, r, generator);
  let [factorA, factorB] = [1, 1];
  if (scale === "stable") factorB = stored ** 0.25 / Math.sqrt(stableGamma);
  if (scale === "gd_scale") factorA = factorB = 1 / scaling;
  const largest = svd.values[ofB[0]];
  if (scale === "weight_svd" && largest > 0) {
    const values = (await weight.data()) as Float32Array;
    factorB = truncatedSvd(values, rows, columns, 1).values[0] / largest;
  }
  const a = Float32Array.from({ length: r * columns }, (_, i) => {
    return factorA * right[ofA[Math.floor(i / columns)] * columns + (i % columns)];
  });
  const b = Float32Array.from({ length: rows * r }, (_, i) => {
    const k = ofB[i % r];
    return factorB * svd.values[k] * svd.left[k * rows + Math.floor(i / r)];
  });
  return { a, b };
}

/** Returns the indices of the singular vectors that A and B get. */
function chosen(direction: LoraGAConfig["direction"], r: number, generator: Generator): [number[], number[]] {
  const range = (start: number, step: number) => Array.from({ length: r }, (_, i) => start + step * i);
  if (direction === "ArBr") return [range(1, 2), range(0, 2)];
  if (direction === "A2rBr") return [range(r, 1), range(0, 1)];
  if (direction === "ArB2r") return [range(0, 1), range(r, 1)];
  const keys = new Float32Array(2 * r);
  generator.fillUniform(keys);
  const some = [...keys.keys()].sort((i, j) => keys[i] - keys[j]).slice(0, r);
  return [some, some];
}

/**
 * Returns right singular vectors as unit rows, [count, columns]. Vectors of vanishing singular values, which rounding
 * makes arbitrary, are replaced by unit vectors that are orthogonal to the others.
 */
function completed(right: Float64Array, values: Float64Array, columns: number): Float64Array {
  const count = values.length;
  const kept = (k: number) => values[k] > 1e-7 * values[0];
  const columnwise = Float64Array.from({ length: right.length }, (_, i) => {
    const k = i % count;
    return kept(k) ? right[k * columns + Math.floor(i / count)] : 0;
  });
  const { q } = truncatedQr(columnwise, columns, count, count);
  return right.map((x, i) => {
    const k = Math.floor(i / columns);
    return kept(k) ? x : q[(i % columns) * count + k];
  });
}
