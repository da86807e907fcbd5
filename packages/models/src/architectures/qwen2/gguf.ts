import type { GgufForm } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { Qwen2Config } from "./model.ts";

/** Returns the conversion of Qwen2 to and from GGUF. */
export function qwen2Form(traits: (config: Qwen2Config) => LlamaTraits): GgufForm<Qwen2Config> {
  return {
    architecture: "qwen2",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), use_sliding_window: false };
    },
    metadata: (config) => {
      if (config.slidingWindow !== null) throw notInGguf("use_sliding_window", true, "false");
      refuseLlama3(config);
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: false }),
  };
}
