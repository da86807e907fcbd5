import { canQuantizeAs, isPacked, quantizeAs, type Tensor, to } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { Replacement } from "../layers/mergeStep.ts";
import { valueAt } from "../layers/swap.ts";

/** The fate of quantised weights in a merge; one of the two must be said where there are any. */
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
    if (requantize && !canQuantizeAs(stored)) {
      throw new Error(`${path} is ${stored}, which weights cannot be quantised to here; merge with dtype: "bf16"`);
    }
    if (dtype !== undefined || requantize) continue;
    throw new Error(
      `${path} is ${stored}: quantised again after a merge, it would lose part of what the adapter learned. Pass dtype: "bf16" (or "f16", "f32") to merge into full weights, or requantize: true and see mergeReport for what it cost`,
    );
  }
}

/** The value that a merged one replaces; a bias where there was none takes the weight's dtype. */
function replaced({ owners: [owner], key }: Replacement): Tensor {
  return valueAt({ owner, key }) ?? (owner as Linear).weight;
}

/**
 * Returns the merged value as the model will store it: in the dtype of the value that it
 * replaces, or as `packed` says.
 */
export function rounded(replacement: Replacement, { dtype = "f32", requantize }: PackedMerge): Tensor {
  const { path, value } = replacement;
  const stored = replaced(replacement);
  if (isPacked(stored.dtype) && requantize) {
    try {
      return quantizeAs(value, stored);
    } catch (error) {
      throw new Error(`merging into ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  const wanted = isPacked(stored.dtype) ? dtype : stored.dtype;
  return value.dtype === wanted ? value : to(value, { dtype: wanted });
}
