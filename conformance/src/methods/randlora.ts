import type { RandLoraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import { drawBias } from "../trainedBiases.ts";

/** RandLoRA with dense and sparse bases, which files hold. */
export const randlora: MethodCases<RandLoraOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 10),
    ...drawTargets(draw, base, { exclude: false }).options,
    ...draw.maybe(0.3, () => ({ projectionPrngKey: draw.integer(0, 1000) })),
    ...draw.maybe(0.4, () => draw.pick([{ sparse: true }, { verySparse: true }])),
    ...draw.maybe(0.6, () => ({ randloraAlpha: draw.integer(1, 64) })),
    ...draw.maybe(0.2, () => ({ randloraDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false })),
    ...drawBias(draw, "randlora_only"),
  }),
});
