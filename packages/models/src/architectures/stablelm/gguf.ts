import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { llamaTensors } from "../llama/ggufFields.ts";
import { layerNormMetadata, readLayerNormGguf } from "../llama/layerNormGguf.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { StableLmConfig } from "./model.ts";

const norms = { input_layernorm: "attn_norm" };

/**
 * Returns the layouts of the norm weights of all heads, each of shape [headDim]. A Hugging Face folder has one tensor
 * per head; a GGUF file stacks them in one tensor.
 */
function headNorms(hf: string, gguf: string, count: number, headDim: number): TensorLayout[] {
  return Array.from({ length: count }, (_, index) => ({
    hf: `${hf}.norms.${index}.weight`,
    gguf: `${gguf}.weight`,
    shape: [headDim],
    stacked: { index, count },
  }));
}

/**
 * Returns the conversion of StableLM to and from GGUF. `traits` returns, for a config, how the model differs from
 * Llama.
 */
export function stablelmForm(traits: (config: StableLmConfig) => LlamaTraits): GgufForm<StableLmConfig> {
  return {
    architecture: "stablelm",
    neverTied: true,
    readConfig: (parts) => {
      const { config, rotaryFactor } = readLayerNormGguf(parts);
      const { tensors } = parts;
      return {
        ...config,
        hidden_act: "silu",
        partial_rotary_factor: rotaryFactor,
        qk_layernorm: tensors.has("blk.0.attn_q_norm.weight"),
        // llama.cpp derives this setting from the second norm, whose tensor is missing if attention and MLP run in
        // parallel.
        use_parallel_residual: !tensors.has("blk.0.ffn_norm.weight"),
        use_qkv_bias: tensors.has("blk.0.attn_q.bias"),
      };
    },
    metadata: (config) => {
      if (config.hiddenAct !== "silu") throw notInGguf("hidden_act", config.hiddenAct, "silu for a stablelm");
      return layerNormMetadata(config);
    },
    tensors: (config) => {
      const { numAttentionHeads, numKeyValueHeads, headDim, qkLayernorm, useParallelResidual } = config;
      return llamaTensors(config, traits(config), {
        interleaves: false,
        norms: useParallelResidual ? norms : { ...norms, post_attention_layernorm: "ffn_norm" },
        normBias: true,
        more: (from, to) =>
          qkLayernorm
            ? [
                ...headNorms(`${from}.self_attn.q_layernorm`, `${to}.attn_q_norm`, numAttentionHeads, headDim),
                ...headNorms(`${from}.self_attn.k_layernorm`, `${to}.attn_k_norm`, numKeyValueHeads, headDim),
              ]
            : [],
      });
    },
  };
}
