import { isPacked, type Tensor, to } from "@lowrank/core";
import { canQuantizeAs, quantizeAs } from "@lowrank/core/internal";
import { type Linear, Parameter } from "@lowrank/nn";
import { Swap, valueAt } from "../layers/swap.ts";
import type { Replacement } from "../layers/wrapper.ts";

/**
 * Options for merging into quantised weights. If a weight to merge is quantised, exactly one of `dtype` and
 * `requantize` must be set.
 */
export interface PackedMerge {
  /** Stores the merged weights in this dtype instead of quantised. */
  dtype?: "f32" | "f16" | "bf16";
  /** Quantises the merged weights in the original format. Rounding loses part of the adapter's update. */
  requantize?: boolean;
}

/**
 * Throws if a weight of the module is quantised and neither or both of `dtype` and `requantize` are set. Also throws if
 * `requantize` is set and Lowrank cannot quantise weights to the format of a quantised weight.
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
 * Returns the tensor whose dtype the merged value gets. This is the tensor that the merged value replaces. For a bias
 * that the layer does not have yet, it is the layer's weight.
 */
function replaced({ owners: [owner], key }: Replacement): Tensor {
  return valueAt({ owner, key }) ?? (owner as Linear).weight;
}

/**
 * Returns the merged value in the dtype in which the model will store it. This is the dtype of the replaced value. For
 * quantised weights, `dtype` or `requantize` determines it.
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

/**
 * A parameter's merged value and the value that it replaces. `set(true)` puts the merged value into the model,
 * `set(false)` the replaced one.
 */
export class MergedValue extends Swap {
  constructor({ owners, key }: Replacement, value: Tensor) {
    super(
      owners.map((owner) => ({ owner, key })),
      new Parameter(value, { requiresGrad: false }),
    );
    this.on.precision = this.off?.precision;
  }
}
