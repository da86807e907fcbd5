import type { DeftOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/**
 * DEFT with both decompositions, and PaRa. Ranks may be larger than the number of a layer's outputs, unless the
 * decomposition is "qr": a square P gives gradients that PEFT itself computes with errors of up to 2e-4 in float32
 * (compared with its float64), since they grow with P's condition number. PaRa's are zero there but for rounding.
 */
export const deft: MethodCases<DeftOptions> = defineCases({
  draw: (draw, base) => {
    const leastOutputs = Math.min(...Object.values(base.linears).map(([, outputs]) => outputs));
    const qr = leastOutputs > 1 && draw.chance(0.4);
    return {
      r: draw.integer(1, qr ? Math.min(12, leastOutputs - 1) : 12),
      ...drawTargets(draw, base).options,
      ...(qr ? { decompositionMethod: "qr" as const } : {}),
      ...draw.maybe(0.4, () => ({ alpha: draw.integer(1, 16) })),
      ...draw.maybe(0.2, () => ({ para: true })),
      ...draw.maybe(0.2, () => ({ deftDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initWeights: false, initScale: draw.pick([0.5, 1, 2]) })),
      ...drawBias(draw, "deft_only"),
    };
  },
});
