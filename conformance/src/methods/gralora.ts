import type { GraloraOptions } from "@lowrank/peft";
import { commonDivisors, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** GraLoRA with any number of blocks, with and without a LoRA over the whole weight. */
export const gralora: MethodCases<GraloraOptions> = defineCases({
  draw(draw, base) {
    const { options, paths } = drawTargets(draw, base, { exclude: false });
    const graloraK = draw.pick([1, ...commonDivisors(base, paths, true).filter((n) => n <= 8)]);
    return {
      ...options,
      graloraK,
      r: graloraK * draw.integer(1, 3),
      ...draw.maybe(0.4, () => ({ hybridR: draw.integer(1, 4) })),
      ...draw.maybe(0.6, () => ({ alpha: draw.integer(1, 32) })),
      // A random start must have the size of the weights, or attention saturates.
      ...draw.maybe(0.3, () => ({ initWeights: false, alpha: draw.integer(1, 3) })),
      ...draw.maybe(0.2, () => ({ graloraDropout: 0.1 })),
      ...drawBias(draw, "gralora_only"),
    };
  },
});
