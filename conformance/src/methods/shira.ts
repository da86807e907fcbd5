import type { ShiraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** SHiRA with and without a seed. A rank must not give more elements than the smallest layer has. */
export const shira: MethodCases<ShiraOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options } = drawTargets(draw, base, { layers: false, exclude: false });
    const sizes = Object.values(base.linears).map(([inputs, outputs]) => (inputs * outputs) / (inputs + outputs));
    const most = Math.min(6, Math.floor(Math.min(...sizes)));
    return {
      r: draw.integer(1, most),
      ...options,
      ...draw.maybe(0.5, () => ({ randomSeed: draw.integer(0, 1000) })),
      // A random start is N(0, 1), which saturates the attention of models this small.
      ...draw.maybe(0.1, () => ({ r: 1, initWeights: false })),
    };
  },
});
