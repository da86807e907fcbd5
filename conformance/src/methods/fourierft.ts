import type { FourierFTOptions } from "@lowrank/peft";
import { defaultPaths, drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** FourierFT, with a different coefficient count for some targets. */
export const fourierft: MethodCases<FourierFTOptions> = defineCases({
  draw(draw, base) {
    const targets = drawTargets(draw, base, { defaults: defaultPaths(base, "FOURIERFT") });
    const most = Math.min(40, ...Object.values(base.linears).map(([inputs, outputs]) => inputs * outputs));
    return {
      nFrequency: draw.integer(1, most),
      ...targets.options,
      // The default, 150, saturates the attention of models this small, and gradients are then rounding noise.
      scaling: draw.integer(1, 30),
      ...draw.maybe(0.4, () => ({ randomLocSeed: draw.integer(0, 1000) })),
      ...draw.maybe(0.3, () => ({ nFrequencyPattern: drawPattern(draw, base, targets, () => draw.integer(1, most)) })),
      ...draw.maybe(0.4, () => ({ initWeights: true })),
      ...drawBias(draw, "fourier_only"),
    };
  },
  tolerances: {
    grad: 5e-4,
    why: "PEFT goes through a complex Fourier transform of the whole weight, whose sums cancel: golden/README.md has 2e-4 between two versions of PyTorch",
  },
});
