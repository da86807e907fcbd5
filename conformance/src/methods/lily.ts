import type { LilyOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** Lily with factors that some or all layers share. It cannot be merged. */
export const lily: MethodCases<LilyOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    return {
      r: draw.integer(1, 8),
      ...drawTargets(draw, base).options,
      ...draw.maybe(0.6, () => ({ strideA: draw.integer(1, 3) })),
      ...draw.maybe(0.5, () => ({ numB: draw.integer(2, 4) })),
      ...draw.maybe(0.6, () => ({ scaling: draw.pick([0.5, 2, 4]) })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
  merges: () => false,
  // Outputs depend on the hidden states of padding.
  attention: "sdpa",
  names: { strideA: "stride_A", numB: "num_B" },
});
