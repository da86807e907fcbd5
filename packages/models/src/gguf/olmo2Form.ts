import type { LlamaTraits } from "../llamaTraits.ts";
import type { Olmo2Config } from "../olmo2.ts";
import type { GgufForm } from "./ggufForm.ts";
import { unsayable } from "./ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "./llamaGguf.ts";

const norms = {
  post_attention_layernorm: "post_attention_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

/** Returns OLMo 2's form in a GGUF file. */
export function olmo2Form(traits: (config: Olmo2Config) => LlamaTraits): GgufForm<Olmo2Config> {
  return {
    architecture: "olmo2",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), attention_bias: false };
    },
    metadata: (config) => {
      if (config.attentionBias) throw unsayable("attention_bias", true, "false");
      refuseLlama3(config);
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: false, norms, normed: "heads" }),
  };
}
