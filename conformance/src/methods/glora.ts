import type { GloraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** GLoRA with every form of its paths, on layers with and without biases. */
export const glora: MethodCases<GloraOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    const options: GloraOptions = {
      r: draw.integer(1, 6),
      ...drawTargets(draw, base, { layers: false, exclude: false }).options,
      ...draw.maybe(0.6, () => ({ configAB: draw.pick(["vector", "constant", "none"]) })),
      ...draw.maybe(0.5, () => ({ configC: draw.pick(["vector", "none"]) })),
      ...draw.maybe(0.5, () => ({ configDE: draw.pick(["vector", "none"]) })),
      ...draw.maybe(0.2, () => ({ initWeights: false })),
      ...drawBias(draw, "glora_only"),
    };
    // Without any path nothing trains, since many layers have no bias.
    return options.configAB === "none" && options.bias === undefined ? { ...options, configAB: "lora" } : options;
  },
  names: { configAB: "config_A_B", configC: "config_C", configDE: "config_D_E" },
});
