import type { BOFTOptions } from "@lowrank/peft";
import { commonDivisors, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** BOFT by block size and by number of blocks. Without CUDA, PEFT supports only one rotation. */
export const boft: MethodCases<BOFTOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base);
    const divisors = commonDivisors(base, paths);
    if (divisors.length === 0) return null;
    const n = draw.pick(divisors);
    return {
      ...options,
      ...draw.pick([{ boftBlockSize: n }, { boftBlockSize: 0, boftBlockNum: n }]),
      ...draw.maybe(0.2, () => ({ boftDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
      ...drawBias(draw, "boft_only"),
    };
  },
  // Warnings on every machine without a CUDA compiler.
  warnings: [/^Failed to load the CUDA extension/, /^Setting boft_n_butterfly_factor to 1/],
});
