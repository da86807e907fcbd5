import type { WaveFTOptions } from "@lowrank/peft";
import { defaultPaths, drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** WaveFT with short and long filters, with the same number of coefficients for all layers, or by size or name. */
export const waveft: MethodCases<WaveFTOptions> = defineCases({
  draw(draw, base) {
    const targets = drawTargets(draw, base, { defaults: defaultPaths(base, "WAVEFT") });
    const sizes = Object.values(base.linears).map(([inputs, outputs]) => inputs * outputs);
    const most = Math.min(40, ...sizes);
    // Layers of another size than the average get up to this many times as many coefficients.
    const share = draw.chance(0.3) ? Math.max(...sizes) / Math.min(...sizes) : 1;
    return {
      nFrequency: draw.integer(1, Math.max(1, Math.floor(most / share))),
      ...targets.options,
      // A coefficient of N(0, 0.01²) times the default, 25, has the size of a weight.
      scaling: draw.integer(1, 25),
      ...draw.maybe(0.6, () => ({ waveletFamily: draw.pick(["db2", "db5", "db10", "sym4", "coif1", "coif4"]) })),
      ...draw.maybe(0.2, () => ({ useIdwt: false })),
      ...draw.maybe(0.4, () => ({ randomLocSeed: draw.integer(0, 1000) })),
      ...(share > 1
        ? { proportionalParameters: true }
        : draw.maybe(0.3, () => ({
            nFrequencyPattern: drawPattern(draw, base, targets, () => draw.integer(1, most)),
          }))),
      ...draw.maybe(0.4, () => ({ initWeights: false })),
      ...drawBias(draw, "waveft_only"),
    };
  },
});
