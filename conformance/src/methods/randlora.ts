import type { RandLoraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** RandLoRA with dense and sparse bases, which files contain or which are drawn again from their seed. */
export const randlora: MethodCases<RandLoraOptions> = defineCases({
  draw: (draw, base) => ({
    // The default, 640 / r, saturates the attention of models this small, and gradients are then rounding noise.
    randloraAlpha: draw.integer(1, 24),
    r: draw.integer(1, 10),
    ...drawTargets(draw, base, { exclude: false }).options,
    ...draw.maybe(0.3, () => ({ projectionPrngKey: draw.integer(0, 1000) })),
    ...draw.maybe(0.4, () => ({ saveProjection: false })),
    ...draw.maybe(0.4, () => draw.pick([{ sparse: true }, { verySparse: true }])),
    ...draw.maybe(0.2, () => ({ randloraDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false, randloraAlpha: 1 })),
    ...drawBias(draw, "randlora_only"),
  }),
  warnings: [/^Specified to not save basis_A and basis_B/],
});
