import type { PsoftOptions } from "@lowrank/peft";
import { defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** PSOFT with rotations and any matrices, exact and approximate singular vectors, by Neumann series and by solving. */
export const psoft: MethodCases<PsoftOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base, { defaults: defaultPaths(base, "PSOFT") });
    return {
      r: draw.integer(1, Math.min(...paths.flatMap((path) => base.linears[path]))),
      ...options,
      ...draw.maybe(0.6, () => ({ psoftAlpha: draw.integer(1, 40) })),
      ...draw.maybe(0.2, () => ({ psoftDropout: 0.1 })),
      ...draw.maybe(0.4, () => ({ abSvdInit: "pissa_init" as const })),
      ...draw.maybe(0.3, () => ({
        psoftSvd: "lowrank" as const,
        ...draw.maybe(0.5, () => ({ psoftSvdLowrankNiter: draw.integer(0, 4) })),
        ...draw.maybe(0.5, () => ({ randomSeed: draw.integer(0, 1000) })),
      })),
      ...draw.maybe(0.3, () => ({ psoftOrth: false })),
      ...draw.maybe(0.3, () => ({ psoftMagA: false })),
      ...draw.maybe(0.3, () => ({ psoftMagB: false })),
      ...draw.maybe(0.4, () => ({
        useCayleyNeumann: true,
        ...draw.maybe(0.7, () => ({ numCayleyNeumannTerms: draw.integer(1, 7) })),
        ...draw.maybe(0.5, () => ({ cayleyNeumannEps: draw.pick([0.1, 0.5, 0.9]) })),
      })),
      ...draw.maybe(0.4, () => ({ initWeights: false })),
    };
  },
});
