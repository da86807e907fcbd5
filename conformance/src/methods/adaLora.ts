import type { AdaLoraOptions } from "@lowrank/peft";
import { defaultPaths, drawReplication, drawTargets, drawTokens, drawTying, untiedWarnings } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** AdaLoRA, which reallocates ranks during training, with schedules that end during or after the training. */
export const adaLora: MethodCases<AdaLoraOptions> = defineCases({
  draw(draw, base) {
    const targets = drawTargets(draw, base, { defaults: defaultPaths(base, "ADALORA") });
    const initR = draw.integer(2, 5);
    // A random start far from the base weights saturates attention, and gradients are then rounding noise.
    const start = draw.chance(0.3) ? { initLoraWeights: false, loraAlpha: 0.25 } : {};
    const tokens = drawTokens(draw, base, targets);
    const [tinit, tfinal] = [draw.integer(0, 1), draw.integer(0, 2)];
    return {
      ...targets.options,
      initR,
      // PEFT fails if there are no ranks to cut.
      targetR: draw.integer(1, initR - 1),
      ...draw.maybe(0.7, () => ({ tinit })),
      ...draw.maybe(0.7, () => ({ tfinal })),
      totalStep: tinit + tfinal + draw.integer(1, 4),
      ...draw.maybe(0.3, () => ({ deltaT: 2 })),
      ...draw.maybe(0.4, () => ({ beta1: 0.7 })),
      ...draw.maybe(0.4, () => ({ beta2: 0.6 })),
      ...draw.maybe(0.4, () => ({ orthRegWeight: draw.pick([0.1, 1]) })),
      ...draw.maybe(0.7, () => ({ loraAlpha: draw.integer(1, 24) })),
      ...draw.maybe(0.2, () => ({ loraDropout: 0.1 })),
      ...start,
      ...drawBias(draw, "lora_only"),
      ...tokens,
      ...drawTying(draw, base, { ...targets.options, ...tokens }, { embedding: false }),
      ...draw.maybe(0.15, () => drawReplication(draw, base)),
    };
  },
  names: { deltaT: "deltaT" },
  allocates: true,
  // PEFT adds the updates of all replicas of a layer to the weight that they share.
  merges: ({ layerReplication }) => !layerReplication,
  // PEFT searches for its tensor names among layer names.
  warnings: [
    /^The following rank_pattern keys did not match any targeted module and were ignored: \[[^\]]*lora_E'\]/,
    ...untiedWarnings,
  ],
});
