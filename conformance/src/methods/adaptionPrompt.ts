import type { AdaptionPromptOptions } from "@lowrank/peft";
import { defineCases, type MethodCases } from "../methodCases.ts";

/** LLaMA-Adapter on the last layers. */
export const adaptionPrompt: MethodCases<AdaptionPromptOptions> = defineCases({
  draw(draw, base) {
    if (base.task !== "CAUSAL_LM") return null;
    // PEFT supports no other models.
    if (!["llama", "mistral", "gpt2"].includes(base.config.model_type)) return null;
    // PEFT derives the head size from the hidden size.
    if (base.config.head_dim !== undefined) return null;
    return {
      adapterLen: draw.integer(1, 6),
      adapterLayers: draw.integer(1, base.layers),
      ...draw.maybe(0.3, () => ({ targetModules: base.layersPattern === "h" ? "attn" : "self_attn" })),
    };
  },
  merges: () => false,
});
