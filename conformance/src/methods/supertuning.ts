import type { SupertuningOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/**
 * Super-Tuning with and without a LoRA. Positions follow from the weights only if no magnitudes are equal: both the
 * order and the choice of equal elements are PyTorch's. Few elements of a float32 weight are rarely equal.
 */
export const supertuning: MethodCases<SupertuningOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options } = drawTargets(draw, base, { layers: false, exclude: false });
    const distinct = base.dtype === "float32";
    // At least one element of each layer trains; both sides refuse others.
    const smallest = Math.min(...Object.values(base.linears).map(([inputs, outputs]) => inputs * outputs));
    const sparsities = [0, 0.5, 0.9, 0.97].filter((sparsity) => smallest * (1 - sparsity) >= 1);
    return {
      ...options,
      sparsity: draw.pick(sparsities),
      ...draw.maybe(0.3, () => ({ selectTop: false })),
      ...draw.maybe(0.5, () => ({
        r: draw.integer(1, 6),
        ...draw.maybe(0.5, () => ({ loraAlpha: draw.integer(1, 16) })),
        ...draw.maybe(0.3, () => ({ loraDropout: 0.1 })),
      })),
      ...draw.maybe(distinct ? 0.4 : 0, () => ({ sparsity: sparsities.at(-1)!, savePrecomputedIndices: false })),
      // A random start is N(0, 1), which saturates the attention of models this small.
      ...draw.maybe(0.1, () => ({ sparsity: sparsities.at(-1)!, initWeights: false })),
    };
  },
  warnings: [/^save_precomputed_indices=False: sparse-support indices will be recomputed/],
});
