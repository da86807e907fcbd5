import type { AdamssOptions } from "@lowrank/peft";
import { defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/**
 * AdaMSS with fewer singular vectors than outputs. With as many, the rows of these vectors are equally far from each
 * other, and clusters depend on rounding. Lowrank refuses that.
 */
export const adamss: MethodCases<AdamssOptions> = defineCases({
  // The sizes of the clusters, in outputs.
  sizesFollowWeights: true,
  allocates: true,
  draw(draw, base) {
    if (base.conv1d) return null;
    const defaults = defaultPaths(base, "ADAMSS");
    const targets = drawTargets(draw, base, { defaults, exclude: false });
    const most = Math.min(...Object.values(base.linears).map(([, outputs]) => outputs)) - 1;
    if (most < 1) return null;
    const r = draw.integer(1, most);
    return {
      r,
      ...targets.options,
      ...draw.maybe(0.6, () => ({ numSubspaces: draw.integer(1, 6) })),
      ...draw.maybe(0.6, () => ({ subspaceRank: draw.integer(1, Math.min(r, 4)) })),
      ...draw.maybe(0.3, () => ({ useDynamicRank: true, svdThreshold: draw.pick([0.1, 0.5]) })),
      ...draw.maybe(0.4, () => ({ randomSeed: draw.integer(0, 1000) })),
      ...draw.maybe(0.3, () => ({ initWeights: null })),
      ...draw.maybe(0.5, () => ({
        useAsa: true,
        asaTargetSubspaces: draw.integer(1, 12),
        initWarmup: draw.integer(0, 1),
        finalWarmup: draw.integer(2, 5),
        maskInterval: draw.integer(1, 2),
        ...draw.maybe(0.5, () => ({ asaImportanceBeta: 0.5, asaUncertaintyBeta: 0.9 })),
        ...draw.maybe(0.5, () => ({ asaScheduleExponent: draw.pick([1, 0.5]) })),
      })),
    };
  },
});
