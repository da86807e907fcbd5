import type { GgufForm } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { Olmo2Config } from "./model.ts";

const norms = {
  post_attention_layernorm: "post_attention_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

/** Returns the conversion of OLMo 2 to and from GGUF. */
export function olmo2Form(traits: (config: Olmo2Config) => LlamaTraits): GgufForm<Olmo2Config> {
  return {
    architecture: "olmo2",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), attention_bias: false };
    },
    metadata: (config) => {
      if (config.attentionBias) throw notInGguf("attention_bias", true, "false");
      refuseLlama3(config);
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: false, norms, normed: "heads" }),
  };
}
