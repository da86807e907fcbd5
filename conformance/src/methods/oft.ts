import type { OFTOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import { drawBias } from "../trainedBiases.ts";

/** OFT by block size and by number of blocks, constrained, shared, by series and by solving. */
export const oft: MethodCases<OFTOptions> = defineCases({
  draw(draw, base) {
    if (base.config.model_type === "gpt2") return null;
    return {
      ...drawTargets(draw, base).options,
      ...draw.pick([{ r: draw.integer(1, 8), oftBlockSize: 0 }, { oftBlockSize: draw.integer(2, 12) }, {}]),
      ...draw.maybe(0.3, () => ({ coft: true, ...draw.maybe(0.7, () => ({ eps: draw.pick([1e-3, 1e-2]) })) })),
      ...draw.maybe(0.3, () => ({ blockShare: true })),
      ...draw.maybe(0.4, () => ({ useCayleyNeumann: false })),
      ...draw.maybe(0.3, () => ({ numCayleyNeumannTerms: draw.integer(2, 7) })),
      ...draw.maybe(0.2, () => ({ moduleDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
      ...drawBias(draw, "oft_only"),
    };
  },
  warnings: [/^Invalid `(r|oft_block_size)`/],
});
