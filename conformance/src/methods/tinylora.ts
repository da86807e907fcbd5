import type { TinyLoraOptions } from "@lowrank/peft";
import { defaultPaths, drawTargets, tiedWarning } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** TinyLoRA on linear layers, Conv1D and embeddings, with projections in the file or drawn again from their seed. */
export const tinylora: MethodCases<TinyLoraOptions> = defineCases({
  draw: (draw, base) => ({
    r: draw.integer(1, 8),
    u: draw.pick([1, 3, 13, 64, 200]),
    ...drawTargets(draw, base, {
      ...{ defaults: defaultPaths(base, "TINYLORA"), embedding: !base.scaledEmbedding, exclude: false },
    }).options,
    ...draw.maybe(0.6, () => ({ weightTying: draw.pick([1, 0.5, draw.integer(0, 100) / 100]) })),
    ...draw.maybe(0.4, () => ({ projectionSeed: draw.pick([0, -7, draw.integer(1, 1000), 2 ** 32 + 5]) })),
    ...draw.maybe(0.4, () => ({ saveProjection: false })),
    // With values up to 1, the update is several times the weight, and attention saturates. See README.md.
    ...draw.maybe(0.5, () => ({ initWeights: "uniform" as const, initVBound: draw.pick([0.02, 0.1, 0.3]) })),
    ...draw.maybe(0.2, () => ({ tinyloraDropout: 0.1 })),
    ...drawBias(draw, "tinylora_only"),
  }),
  warnings: [
    tiedWarning,
    /^Specified to not save projection tensors P/,
    /^Specified to not load tinylora_P/,
    /^fan_in_fan_out is set to (True|False) but the target module is `(torch.nn.Linear|Conv1D)`/,
  ],
});
