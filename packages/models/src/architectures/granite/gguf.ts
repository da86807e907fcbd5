import type { GgufForm } from "../../gguf/ggufForm.ts";
import { decimal, f32 } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3 } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { GraniteConfig } from "./model.ts";

/** Maps the GGUF keys of Granite's scale factors to their keys in config.json. */
const factors = {
  "attention.scale": "attention_multiplier",
  embedding_scale: "embedding_multiplier",
  residual_scale: "residual_multiplier",
  logit_scale: "logits_scaling",
};

/** Returns the conversion of Granite to and from GGUF. */
export function graniteForm(traits: (config: GraniteConfig) => LlamaTraits): GgufForm<GraniteConfig> {
  return {
    architecture: "granite",
    readConfig: (parts) => {
      const { metadata, key, tensors } = parts;
      const read = Object.entries(factors).map(([gguf, hf]) => [hf, decimal(metadata.number(key(gguf), 1))]);
      return {
        ...readLlamaGguf(parts),
        ...Object.fromEntries(read),
        attention_bias: tensors.has("blk.0.attn_q.bias"),
        mlp_bias: tensors.has("blk.0.ffn_up.bias"),
      };
    },
    metadata: (config) => {
      refuseLlama3(config);
      return {
        ...llamaMetadata(config),
        "attention.scale": f32(config.attentionMultiplier),
        embedding_scale: f32(config.embeddingMultiplier),
        residual_scale: f32(config.residualMultiplier),
        logit_scale: f32(config.logitsScaling),
      };
    },
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: true }),
  };
}
