import type { GgufForm } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { SmolLM3Config } from "./model.ts";

/** llama.cpp assumes that every `interval`-th layer has no rotary embedding. */
const interval = 4;

/** Returns the conversion of SmolLM3 to and from GGUF. */
export function smollm3Form(traits: (config: SmolLM3Config) => LlamaTraits): GgufForm<SmolLM3Config> {
  return {
    architecture: "smollm3",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), no_rope_layer_interval: interval, attention_bias: false, mlp_bias: false };
    },
    metadata: (config) => {
      const usual = config.noRopeLayers.every((turns, i) => (turns === 0) === ((i + 1) % interval === 0));
      if (!usual) throw notInGguf("no_rope_layers", config.noRopeLayers, `0 for each ${interval}th layer alone`);
      if (config.slidingWindow !== null) throw notInGguf("use_sliding_window", true, "false");
      for (const [key, has] of [
        ["attention_bias", config.attentionBias],
        ["mlp_bias", config.mlpBias],
      ] as const) {
        if (has) throw notInGguf(key, true, "false");
      }
      refuseLlama3(config);
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: true }),
  };
}
