import type { GloraOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, drawBias, type MethodCases } from "../methodCases.ts";

/** Model types whose linear layers all have biases. */
const allBiased: readonly string[] = ["bert", "distilbert", "gpt_neox", "roberta"];

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
    // Without A and B, nothing trains on layers without bias.
    const trains = options.modulesToSave !== undefined || allBiased.includes(base.config.model_type);
    return options.configAB === "none" && !trains ? { ...options, configAB: "lora" } : options;
  },
  names: { configAB: "config_A_B", configC: "config_C", configDE: "config_D_E" },
});
