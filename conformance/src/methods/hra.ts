import type { HRAOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** HRA, with and without orthogonalised vectors, with even and odd numbers of reflections. */
export const hra: MethodCases<HRAOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const initWeights = draw.chance(0.6);
    return {
      ...drawTargets(draw, base).options,
      ...(initWeights ? { r: 2 * draw.integer(1, 3) } : { r: draw.integer(1, 4), initWeights }),
      ...(initWeights ? {} : draw.maybe(0.5, () => ({ applyGS: true }))),
      ...drawBias(draw, "hra_only"),
    };
  },
  names: { applyGS: "apply_GS" },
});
