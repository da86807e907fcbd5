import type { Phi3Config } from "../phi3.ts";
import type { GgufForm, TensorLayout } from "./ggufForm.ts";
import { u32 } from "./ggufValues.ts";
import { llamaMetadata, readLlamaGguf, refuseLlama3 } from "./llamaGguf.ts";

const windowKey = "attention.sliding_window";

function tensors(config: Phi3Config): TensorLayout[] {
  const { vocabSize, hiddenSize, intermediateSize, numHiddenLayers, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const joined = queries + 2 * config.numKeyValueHeads * headDim;
  const blocks = Array.from({ length: numHiddenLayers }, (_, i) => {
    const one = (hf: string, gguf: string, shape: readonly number[]) => ({
      hf: `model.layers.${i}.${hf}.weight`,
      gguf: `blk.${i}.${gguf}.weight`,
      shape,
    });
    return [
      one("input_layernorm", "attn_norm", [hiddenSize]),
      one("self_attn.qkv_proj", "attn_qkv", [joined, hiddenSize]),
      one("self_attn.o_proj", "attn_output", [hiddenSize, queries]),
      one("post_attention_layernorm", "ffn_norm", [hiddenSize]),
      one("mlp.gate_up_proj", "ffn_up", [2 * intermediateSize, hiddenSize]),
      one("mlp.down_proj", "ffn_down", [hiddenSize, intermediateSize]),
    ];
  });
  return [
    { hf: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: [vocabSize, hiddenSize] },
    ...blocks.flat(),
    { hf: "model.norm.weight", gguf: "output_norm.weight", shape: [hiddenSize] },
  ];
}

/** Phi-3's form in a GGUF file, for models without longrope. */
export const phi3Form: GgufForm<Phi3Config> = {
  architecture: "phi3",
  readConfig: (parts) => {
    const { metadata, key } = parts;
    // Converters write 0 for none.
    const size = Number(metadata.raw(key(windowKey)) ?? 0);
    return { ...readLlamaGguf(parts), sliding_window: size === 0 ? null : size };
  },
  metadata: (config) => {
    refuseLlama3(config);
    const { slidingWindow } = config;
    return { ...llamaMetadata(config), ...(slidingWindow === null ? {} : { [windowKey]: u32(slidingWindow) }) };
  },
  tensors,
};
