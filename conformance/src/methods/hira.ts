import type { HiraOptions } from "@lowrank/peft";
import { drawPattern, drawTargets, tiedWarning } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** HiRA on linear layers, Conv1D and embeddings. */
export const hira: MethodCases<HiraOptions> = defineCases({
  draw: (draw, base) => {
    const start: Pick<HiraOptions, "initWeights"> = draw.maybe(0.5, () => ({
      initWeights: draw.pick([false, "gaussian", null]),
    }));
    const targets = drawTargets(draw, base, { embedding: !base.scaledEmbedding });
    const isRandom = start.initWeights === false || start.initWeights === null;
    const rank = () => draw.integer(1, isRandom ? 2 : 6);
    return {
      // Weights times 1 + B A with normally distributed factors grow with the rank until attention saturates.
      r: rank(),
      ...start,
      ...targets.options,
      ...draw.maybe(0.3, () => ({ rankPattern: drawPattern(draw, base, targets, rank) })),
      ...draw.maybe(0.2, () => ({ hiraDropout: 0.1 })),
      ...draw.maybe(0.2, () => ({ fanInFanOut: true })),
    };
  },
  warnings: [tiedWarning, /^fan_in_fan_out is set to (True|False) but the target module is `(torch.nn.Linear|Conv1D)`/],
});
