import type { DeloraOptions } from "@lowrank/peft";
import { drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** DeLoRA, with ranks and strengths by target. */
export const delora: MethodCases<DeloraOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const targets = drawTargets(draw, base);
    // PEFT confuses DeLoRA's tensor "delora_w_norm" with a module of that name.
    if (targets.options.modulesToSave?.includes("norm")) return null;
    return {
      r: draw.integer(1, 6),
      ...targets.options,
      // The default, 15, saturates the attention of models this small, and gradients are then rounding noise.
      deloraLambda: draw.integer(1, 6),
      ...draw.maybe(0.2, () => ({ moduleDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
      ...draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, () => draw.integer(1, 6)) })),
      ...draw.maybe(0.3, () => ({ lambdaPattern: drawPattern(draw, base, targets, () => draw.integer(1, 6)) })),
      ...drawBias(draw, "delora_only"),
    };
  },
  tolerances: {
    grad: 2e-4,
    losses: 5e-5,
    why: "each direction is divided by its length, so that gradients are differences of nearly equal numbers: golden/README.md has 1e-4 between two versions of PyTorch",
  },
});
