import type { PveraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/**
 * PVeRA, with projections in the file or drawn again from their seed. Values that the adapter would draw are replaced
 * by their means, since both sides compute in evaluation mode.
 */
export const pvera: MethodCases<PveraOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 12),
    ...drawTargets(draw, base, { exclude: false }).options,
    ...draw.maybe(0.4, () => ({ projectionPrngKey: draw.integer(0, 1000) })),
    ...draw.maybe(0.4, () => ({ saveProjection: false })),
    ...draw.maybe(0.4, () => ({ dInitial: draw.pick([0.5, 1, 0.01]) })),
    ...draw.maybe(0.2, () => ({ pveraDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false })),
    ...draw.maybe(0.3, () => ({ generatorSeed: draw.integer(0, 1000) })),
    ...drawBias(draw, "pvera_only"),
  }),
  warnings: [/^Specified to not (save|load) pvera_A and pvera_B/],
});
