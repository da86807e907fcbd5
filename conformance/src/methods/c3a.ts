import type { C3AOptions } from "@lowrank/peft";
import { commonDivisors, defaultPaths, drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** C3A with all starts, and another block size for some targets. */
export const c3a: MethodCases<C3AOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const targets = drawTargets(draw, base, { defaults: defaultPaths(base, "C3A"), exclude: false });
    const sizes = [1, ...commonDivisors(base, targets.paths, true)];
    return {
      ...targets.options,
      blockSize: draw.pick(sizes),
      ...draw.maybe(0.3, () => ({ blockSizePattern: drawPattern(draw, base, targets, () => draw.pick(sizes)) })),
      ...draw.maybe(0.6, () => ({ initWeights: draw.pick([true, false, "gaussian", "kaiming_uniform"] as const) })),
      ...drawBias(draw, "c3a_only"),
    };
  },
});
