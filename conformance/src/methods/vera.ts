import type { VeraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** VeRA, with projections in the file or drawn again from their seed. */
export const vera: MethodCases<VeraOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 12),
    ...drawTargets(draw, base, { exclude: false }).options,
    ...draw.maybe(0.4, () => ({ projectionPrngKey: draw.integer(0, 1000) })),
    ...draw.maybe(0.4, () => ({ saveProjection: false })),
    ...draw.maybe(0.4, () => ({ dInitial: draw.pick([0.5, 1, 0.01]) })),
    ...draw.maybe(0.2, () => ({ veraDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false })),
    ...drawBias(draw, "vera_only"),
  }),
  warnings: [/^Specified to not (save|load) vera_A and vera_B/],
});
