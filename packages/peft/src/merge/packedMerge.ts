import { type DType, isPacked, type QuantType, quantize4bit, type Tensor, to } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { Replacement } from "../layers/mergeStep.ts";
import { valueAt } from "../layers/swap.ts";

/** What becomes of quantised weights in a merge; one of the two must be said where there are any. */
export interface PackedMerge {
  /** Give back full weights of this dtype. */
  dtype?: "f32" | "f16" | "bf16";
  /** Quantise the sum as the weight was, which rounds away part of what the adapter learned. */
  requantize?: boolean;
}

/** Throws where a merge would write into a quantised weight without being told how. */
export function checkPackedMerge(path: string, weights: Iterable<Tensor>, { dtype, requantize }: PackedMerge): void {
  for (const { dtype: stored } of weights) {
    if (!isPacked(stored)) continue;
    if (dtype !== undefined && requantize) throw new Error("merging takes dtype or requantize: true, not both");
    if (requantize && stored !== "nf4" && stored !== "fp4") {
      throw new Error(`${path} is ${stored}, which weights cannot be quantised to here; merge with dtype: "bf16"`);
    }
    if (dtype !== undefined || requantize) continue;
    throw new Error(
      `${path} is ${stored}: quantised again after a merge, it would lose part of what the adapter learned. Pass dtype: "bf16" (or "f16", "f32") to merge into full weights, or requantize: true and see mergeReport for what it cost`,
    );
  }
}

/** The dtype of what a merged value replaces; a bias where there was none takes the weight's. */
function storedDType({ owners: [owner], key }: Replacement): DType {
  return (valueAt({ owner, key }) ?? (owner as Linear).weight).dtype;
}

/** The merged value as the model will hold it: in the dtype of what it replaces, or as `packed` says. */
export function rounded(replacement: Replacement, { dtype = "f32", requantize }: PackedMerge): Tensor {
  const { path, owners, key, value } = replacement;
  const stored = storedDType(replacement);
  const packing = valueAt({ owner: owners[0], key })?.packing;
  if (packing && requantize) {
    const { blockSize, nested } = packing;
    try {
      return quantize4bit(value, { quantType: stored as QuantType, blockSize, doubleQuant: nested });
    } catch (error) {
      throw new Error(`merging into ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  const wanted = isPacked(stored) ? dtype : stored;
  return value.dtype === wanted ? value : to(value, { dtype: wanted });
}
