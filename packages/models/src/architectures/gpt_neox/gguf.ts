import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { layerNormMetadata, readLayerNormGguf } from "../llama/layerNormGguf.ts";
import type { GPTNeoXConfig } from "./model.ts";

function tensors(config: GPTNeoXConfig): TensorLayout[] {
  const { vocabSize, hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads } = config;
  const both = (hf: string, gguf: string, shape: readonly number[], more: Partial<TensorLayout> = {}) => [
    { hf: `gpt_neox.${hf}.weight`, gguf: `${gguf}.weight`, shape, ...more },
    { hf: `gpt_neox.${hf}.bias`, gguf: `${gguf}.bias`, shape: [shape[0]], ...more },
  ];
  const blocks = Array.from({ length: numHiddenLayers }, (_, i) => {
    const [from, to] = [`layers.${i}`, `blk.${i}`];
    const joined = { joined: numAttentionHeads };
    return [
      ...both(`${from}.input_layernorm`, `${to}.attn_norm`, [hiddenSize]),
      ...both(`${from}.attention.query_key_value`, `${to}.attn_qkv`, [3 * hiddenSize, hiddenSize], joined),
      ...both(`${from}.attention.dense`, `${to}.attn_output`, [hiddenSize, hiddenSize]),
      ...both(`${from}.post_attention_layernorm`, `${to}.ffn_norm`, [hiddenSize]),
      ...both(`${from}.mlp.dense_h_to_4h`, `${to}.ffn_up`, [intermediateSize, hiddenSize]),
      ...both(`${from}.mlp.dense_4h_to_h`, `${to}.ffn_down`, [hiddenSize, intermediateSize]),
    ];
  });
  return [
    { hf: "gpt_neox.embed_in.weight", gguf: "token_embd.weight", shape: [vocabSize, hiddenSize] },
    ...blocks.flat(),
    ...both("final_layer_norm", "output_norm", [hiddenSize]),
  ];
}

/** The conversion of GPT-NeoX to and from GGUF. */
export const gptNeoXForm: GgufForm<GPTNeoXConfig> = {
  architecture: "gptneox",
  neverTied: true,
  readConfig: (parts) => {
    const { config, rotaryFactor } = readLayerNormGguf(parts);
    const { rope_theta, ...others } = config;
    return { ...others, hidden_act: "gelu", rotary_emb_base: rope_theta, rotary_pct: rotaryFactor };
  },
  metadata: (config) => {
    if (config.hiddenAct !== "gelu") throw notInGguf("hidden_act", config.hiddenAct, "gelu for a gpt_neox");
    if (!config.attentionBias) throw notInGguf("attention_bias", false, "true for a gpt_neox");
    return layerNormMetadata(config);
  },
  tensors,
};
