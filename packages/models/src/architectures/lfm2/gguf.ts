import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf, u32 } from "../../gguf/ggufValues.ts";
import { decoderMetadata, readDecoderGguf } from "../llama/ggufFields.ts";
import type { Lfm2Config } from "./model.ts";

const [headsKey, cacheKey, epsilonKey] = [
  "attention.head_count_kv",
  "shortconv.l_cache",
  "attention.layer_norm_rms_epsilon",
];

function tensors(config: Lfm2Config, width: number): TensorLayout[] {
  const { vocabSize, hiddenSize, headDim, numAttentionHeads, numKeyValueHeads, convLCache } = config;
  const [queries, keys] = [numAttentionHeads * headDim, numKeyValueHeads * headDim];
  const blocks = config.layerTypes.map((type, i) => {
    const one = (hf: string, gguf: string, shape: readonly number[]): TensorLayout => ({
      hf: `model.layers.${i}.${hf}.weight`,
      gguf: `blk.${i}.${gguf}.weight`,
      shape,
    });
    const attention = () => [
      one("self_attn.q_proj", "attn_q", [queries, hiddenSize]),
      one("self_attn.k_proj", "attn_k", [keys, hiddenSize]),
      one("self_attn.v_proj", "attn_v", [keys, hiddenSize]),
      one("self_attn.out_proj", "attn_output", [hiddenSize, queries]),
      one("self_attn.q_layernorm", "attn_q_norm", [headDim]),
      one("self_attn.k_layernorm", "attn_k_norm", [headDim]),
    ];
    const convolution = (): TensorLayout[] => [
      { ...one("conv.conv", "shortconv.conv", [hiddenSize, 1, convLCache]), keepsF32: true },
      one("conv.in_proj", "shortconv.in_proj", [3 * hiddenSize, hiddenSize]),
      one("conv.out_proj", "shortconv.out_proj", [hiddenSize, hiddenSize]),
    ];
    return [
      one("operator_norm", "attn_norm", [hiddenSize]),
      ...(type === "conv" ? convolution() : attention()),
      one("ffn_norm", "ffn_norm", [hiddenSize]),
      one("feed_forward.w1", "ffn_gate", [width, hiddenSize]),
      one("feed_forward.w3", "ffn_up", [width, hiddenSize]),
      one("feed_forward.w2", "ffn_down", [hiddenSize, width]),
    ];
  });
  return [
    { hf: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: [vocabSize, hiddenSize] },
    ...blocks.flat(),
    { hf: "model.embedding_norm.weight", gguf: "token_embd_norm.weight", shape: [hiddenSize] },
  ];
}

/**
 * Returns the conversion of LFM2 to and from GGUF. In GGUF, a layer with 0 key and value heads is a convolution layer.
 * `mlpWidth` returns the width of the MLPs.
 */
export function lfm2Form(mlpWidth: (config: Lfm2Config) => number): GgufForm<Lfm2Config> {
  return {
    architecture: "lfm2",
    readConfig: (parts) => {
      const { metadata, key } = parts;
      const layers = metadata.layers(key("block_count"));
      const heads = metadata.raw(key(headsKey));
      const counts = Array.from((heads ?? []) as ArrayLike<number>);
      const most = Math.max(0, ...counts);
      if (counts.length !== layers || most === 0 || counts.some((count) => count !== 0 && count !== most)) {
        throw metadata.bad(key(headsKey), `a number of heads for each of ${layers} layers, 0 for convolutions`);
      }
      return {
        ...readDecoderGguf(parts, { num_key_value_heads: most }),
        norm_eps: decimal(metadata.number(key(epsilonKey))),
        conv_L_cache: metadata.integer(key(cacheKey)),
        block_auto_adjust_ff_dim: false,
        layer_types: counts.map((count) => (count === 0 ? "conv" : "full_attention")),
      };
    },
    metadata: (config) => {
      const { rope, convBias, convLCache, layerTypes, numKeyValueHeads } = config;
      if (convBias) throw notInGguf("conv_bias", true, "false");
      if (rope.scaling) throw notInGguf("rope_type", rope.scaling.type, "default for an lfm2");
      if (rope.partialRotaryFactor !== 1) throw notInGguf("partial_rotary_factor", rope.partialRotaryFactor, "1 here");
      if (convLCache < 2) throw notInGguf("conv_L_cache", convLCache, "2 or more");
      const heads = layerTypes.map((type) => (type === "conv" ? 0 : numKeyValueHeads));
      if (!heads.includes(numKeyValueHeads)) throw notInGguf("layer_types", layerTypes, "some full_attention");
      return {
        ...decoderMetadata(config),
        feed_forward_length: u32(mlpWidth(config)),
        [headsKey]: { type: "i32s", value: heads },
        [cacheKey]: u32(convLCache),
        [epsilonKey]: f32(config.normEps),
      };
    },
    tensors: (config) => tensors(config, mlpWidth(config)),
  };
}
