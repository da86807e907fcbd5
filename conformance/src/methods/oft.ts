import type { OFTOptions } from "@lowrank/peft";
import { commonDivisors, drawTargets, tiedWarning } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** OFT by block size and by number of blocks, constrained, with a shared block, by Neumann series and by solving. */
export const oft: MethodCases<OFTOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const { options, paths } = drawTargets(draw, base, { embedding: true });
    // An embedding is as wide as the input of a block's first layer.
    const [first] = Object.keys(base.linears);
    const widths = options.targetModules?.includes(base.embedding) ? [...paths, first] : paths;
    const divisors = commonDivisors(base, widths);
    if (divisors.length === 0) return null;
    // Both sides use the nearest divisor. It must be smaller than the width: blocks of one feature lack parameters.
    const r = draw.integer(1, Math.min(...widths.map((path) => base.linears[path][0])) >> 1);
    return {
      ...options,
      ...draw.pick([{ r, oftBlockSize: 0 }, { oftBlockSize: draw.pick(divisors) + draw.integer(0, 1) }, {}]),
      ...draw.maybe(0.3, () => ({ coft: true, ...draw.maybe(0.7, () => ({ eps: draw.pick([1e-3, 1e-2]) })) })),
      ...draw.maybe(0.3, () => ({ blockShare: true })),
      ...draw.maybe(0.4, () => ({ useCayleyNeumann: false })),
      ...draw.maybe(0.3, () => ({ numCayleyNeumannTerms: draw.integer(2, 7) })),
      ...draw.maybe(0.2, () => ({ moduleDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
      ...drawBias(draw, "oft_only"),
    };
  },
  warnings: [/^Invalid `(r|oft_block_size)`/, tiedWarning],
});
