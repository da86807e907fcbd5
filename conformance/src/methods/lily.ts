import type { LilyOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** Model types that lack the attention "sdpa" in transformers. */
const withoutSdpa: readonly string[] = ["deberta-v2", "gemma2"];

/** Lily with factors that some or all layers share. It cannot be merged. */
export const lily: MethodCases<LilyOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d || withoutSdpa.includes(base.config.model_type)) return null;
    const { options } = drawTargets(draw, base);
    // Layers share what their target has. PEFT takes any of the targets that a path ends with.
    const names = Array.isArray(options.targetModules) ? options.targetModules : [];
    if (names.some((name) => names.some((other) => other !== name && other.endsWith(name)))) return null;
    return {
      r: draw.integer(1, 8),
      ...options,
      ...draw.maybe(0.6, () => ({ strideA: draw.integer(1, 3) })),
      ...draw.maybe(0.5, () => ({ numB: draw.integer(2, 4) })),
      ...draw.maybe(0.6, () => ({ scaling: draw.pick([0.5, 2, 4]) })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
  merges: () => false,
  // Outputs depend on the hidden states of padding.
  attention: "sdpa",
  names: { strideA: "stride_A", numB: "num_B" },
});
