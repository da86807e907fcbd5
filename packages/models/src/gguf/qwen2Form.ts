import type { LlamaTraits } from "../config/llamaConfig.ts";
import type { Qwen2Config } from "../qwen2.ts";
import type { GgufForm } from "./ggufForm.ts";
import { unsayable } from "./ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseWindow } from "./llamaGguf.ts";

/** The facts of a Qwen2 that follow from its config. */
interface Qwen2Facts {
  traits(config: Qwen2Config): LlamaTraits;
  layerTypes(config: Qwen2Config): readonly string[];
}

/** Returns Qwen2's form in a GGUF file. */
export function qwen2Form({ traits, layerTypes }: Qwen2Facts): GgufForm<Qwen2Config> {
  return {
    architecture: "qwen2",
    readConfig: (parts) => {
      refuseWindow(parts);
      return { ...readLlamaGguf(parts), use_sliding_window: false };
    },
    metadata: (config) => {
      if (layerTypes(config).includes("sliding_attention")) throw unsayable("use_sliding_window", true, "false");
      if (config.rope.scaling?.type === "llama3")
        throw unsayable("rope_type", "llama3", "default or linear for a qwen2");
      return llamaMetadata(config);
    },
    tensors: (config) => llamaTensors(config, traits(config), false),
  };
}
