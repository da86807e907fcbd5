import type { GgufForm } from "../../gguf/ggufForm.ts";
import type { LlamaConfig } from "./config.ts";
import { llama3Factors, llamaMetadata, llamaTensors, readLlamaGguf } from "./ggufFields.ts";
import type { LlamaTraits } from "./traits.ts";

/** Returns the conversion of Llama to and from GGUF. */
export function llamaForm(traits: (config: LlamaConfig) => LlamaTraits): GgufForm<LlamaConfig> {
  return {
    architecture: "llama",
    readConfig: (parts) => {
      const { tensors } = parts;
      return {
        ...readLlamaGguf(parts),
        attention_bias: tensors.has("blk.0.attn_q.bias"),
        mlp_bias: tensors.has("blk.0.ffn_up.bias"),
      };
    },
    metadata: llamaMetadata,
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: true }),
    ropeFactors: llama3Factors,
  };
}
