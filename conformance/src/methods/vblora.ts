import type { VBLoRAOptions } from "@lowrank/peft";
import { commonDivisors, defaultPaths, drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** VB-LoRA, with full files and with files of only the top-k vectors. */
export const vblora: MethodCases<VBLoRAOptions> = defineCases({
  draw(draw, base) {
    const { options, paths } = drawTargets(draw, base, { defaults: defaultPaths(base, "VBLORA") });
    const numVectors = draw.integer(3, 12);
    return {
      ...options,
      r: draw.integer(1, 4),
      numVectors,
      vectorLength: draw.pick([1, ...commonDivisors(base, paths, true)]),
      topk: draw.integer(1, Math.min(3, numVectors)),
      ...draw.maybe(0.3, () => ({ saveOnlyTopkWeights: true })),
      ...draw.maybe(0.2, () => ({ vbloraDropout: 0.1 })),
      ...draw.maybe(0.3, () => ({ initVectorBankBound: draw.pick([0.1, 0.5]) })),
      ...draw.maybe(0.3, () => ({ initLogitsStd: draw.pick([0.01, 1]) })),
      ...drawBias(draw, "vblora_only"),
    };
  },
  // Files contain softmax values, from which logits are computed again.
  rounded: ({ saveOnlyTopkWeights }) => saveOnlyTopkWeights === true,
  tolerances: {
    losses: 5e-5,
    why: "many logits hardly matter for the loss: AdamW moves them by the signs of gradients that are near rounding noise",
  },
  final: ({ saveOnlyTopkWeights }) => saveOnlyTopkWeights === true,
});
