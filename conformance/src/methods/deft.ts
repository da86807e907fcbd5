import type { DeftOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** DEFT with both decompositions, and PaRa. Ranks may be larger than the number of a layer's outputs. */
export const deft: MethodCases<DeftOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 12),
    ...drawTargets(draw, base).options,
    ...draw.maybe(0.5, () => ({ decompositionMethod: draw.pick(["relu", "qr"] as const) })),
    ...draw.maybe(0.4, () => ({ alpha: draw.integer(1, 16) })),
    ...draw.maybe(0.2, () => ({ para: true })),
    ...draw.maybe(0.2, () => ({ deftDropout: 0.1 })),
    ...draw.maybe(0.3, () => ({ initWeights: false, initScale: draw.pick([0.5, 1, 2]) })),
    ...drawBias(draw, "deft_only"),
  }),
});
