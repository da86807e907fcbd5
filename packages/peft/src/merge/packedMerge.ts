import { isPacked, type Tensor, to } from "@lowrank/core";
import { canQuantizeAs, quantizeAs } from "@lowrank/core/internal";
import { type Linear, Parameter } from "@lowrank/nn";
import { Swap, valueAt } from "../layers/swap.ts";
import type { Replacement } from "../layers/wrapper.ts";

/** Options for quantised weights in a merge. A model with quantised weights requires one of the two. */
export interface PackedMerge {
  /** Stores the merged weights in this dtype instead of quantised. */
  dtype?: "f32" | "f16" | "bf16";
  /** Quantises the merged weights in the original format. Rounding loses part of the adapter's update. */
  requantize?: boolean;
}

/**
 * Throws if a module has a quantised weight and neither `dtype` nor `requantize` is set, or the option does not support
 * the weight's format.
 */
export function checkPackedMerge(path: string, weights: Iterable<Tensor>, { dtype, requantize }: PackedMerge): void {
  for (const { dtype: stored } of weights) {
    if (!isPacked(stored)) continue;
    if (dtype !== undefined && requantize) throw new Error("merging takes dtype or requantize: true, not both");
    if (requantize && !canQuantizeAs(stored)) {
      throw new Error(`${path} is ${stored}, which weights cannot be quantised to here; merge with dtype: "bf16"`);
    }
    if (dtype !== undefined || requantize) continue;
    throw new Error(
      `${path} is ${stored}: quantised again after a merge, it would lose part of the adapter's update. Pass dtype: "bf16" (or "f16", "f32") to merge into full weights, or requantize: true and read the loss in mergeReport`,
    );
  }
}

/**
 * Returns the tensor whose dtype a merged value gets: the tensor that it replaces or, for a bias that the layer does
 * not have yet, the layer's weight.
 */
function replaced({ owners: [owner], key }: Replacement): Tensor {
  return valueAt({ owner, key }) ?? (owner as Linear).weight;
}

/**
 * Returns the merged value as the model will store it: in the dtype of the replaced value, or for quantised weights as
 * `dtype` or `requantize` selects.
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

/** A merged value together with the value that it replaces, to switch between the two. */
export class MergedValue extends Swap {
  constructor({ owners, key }: Replacement, value: Tensor) {
    super(
      owners.map((owner) => ({ owner, key })),
      new Parameter(value, { requiresGrad: false }),
    );
    this.on.precision = this.off?.precision;
  }
}
