import type { GgufForm } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { Qwen3Config } from "./model.ts";

/** Returns the conversion of Qwen3 to and from GGUF. */
export function qwen3Form(traits: (config: Qwen3Config) => LlamaTraits): GgufForm<Qwen3Config> {
  return {
    architecture: "qwen3",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), use_sliding_window: false, attention_bias: false };
    },
    metadata: (config) => {
      if (config.slidingWindow !== null) throw notInGguf("use_sliding_window", true, "false");
      if (config.attentionBias) throw notInGguf("attention_bias", true, "false");
      refuseLlama3(config);
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: false, normed: "head" }),
  };
}
