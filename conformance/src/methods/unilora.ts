import type { UniLoraOptions } from "@lowrank/peft";
import { defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** Uni-LoRA with vectors that are shorter and longer than all A and B together, with and without indices in files. */
export const unilora: MethodCases<UniLoraOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 6),
    thetaDLength: draw.pick([1, 7, 64, 256, 999, 5000, 20_000]),
    ...drawTargets(draw, base, { defaults: defaultPaths(base, "UNILORA"), exclude: false }).options,
    ...draw.maybe(0.6, () => ({ projSeed: draw.pick([0, draw.integer(1, 1000), 2 ** 32 + 5]) })),
    ...draw.maybe(0.4, () => ({ saveIndices: true })),
    ...draw.maybe(0.2, () => ({ uniloraDropout: 0.1 })),
    ...draw.maybe(0.4, () => ({ initThetaDBound: draw.pick([0.1, 0.5]) })),
    ...drawBias(draw, "unilora_only"),
  }),
});
