import type { OSFOptions } from "@lowrank/peft";
import { defaultPaths, drawPattern, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** OSF with numbers and fractions of kept directions, also by module. Every layer keeps and trains at least one. */
export const osf: MethodCases<OSFOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const defaults = defaultPaths(base, "OSF") ?? (base.otherLinears ? null : Object.keys(base.linears));
    const targets = drawTargets(draw, base, { defaults, layers: false, exclude: false });
    // A random start is N(0, 1), which saturates models this small unless few directions train.
    if (draw.chance(0.1)) {
      const path = draw.pick(targets.paths);
      return { targetModules: [path], effectiveRank: Math.min(...base.linears[path]) - 1, initWeights: false };
    }
    const smallest = Math.min(...targets.paths.flatMap((path) => base.linears[path]));
    const shares = [0.25, 0.5, 0.75].filter((share) => Math.floor(smallest * share) >= 1);
    const kept = () => draw.pick([draw.integer(1, smallest - 1), draw.pick(shares)]);
    return {
      ...targets.options,
      ...draw.maybe(0.6, () => ({ effectiveRank: kept() })),
      ...draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, kept) })),
    };
  },
});
