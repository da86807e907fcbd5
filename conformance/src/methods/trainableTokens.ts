import type { TrainableTokensOptions } from "@lowrank/peft";
import { tiedWarning } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** Trainable tokens of the input embedding, named in each of PEFT's forms or not at all. */
export const trainableTokens: MethodCases<TrainableTokensOptions> = defineCases({
  draw(draw, base) {
    // PEFT scales rows that it looked up by a factor that it finds in some scaled embeddings only.
    if (base.scaledEmbedding) return null;
    const ids = Array.from({ length: base.config.vocab_size }, (_, id) => id);
    const targets = [base.embedding, String.raw`.*\.${base.embedding}`];
    return {
      tokenIndices: draw.some(ids),
      ...draw.maybe(0.6, () => ({ targetModules: draw.pick([[base.embedding], targets[1]]) })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
  warnings: [tiedWarning],
});
