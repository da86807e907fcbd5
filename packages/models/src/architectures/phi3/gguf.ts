import type { GgufForm, GgufParts, TensorLayout } from "../../gguf/ggufForm.ts";
import { decimal, f32, u32, windowNote } from "../../gguf/ggufValues.ts";
import { ropeScaling } from "../../gguf/ropeScaling.ts";
import { defaultAttentionFactor, type LongRopeScaling } from "../../rope/rope/longrope.ts";
import { decoderMetadata, llamaMetadata, readDecoderGguf, refuseLlama3 } from "../llama/ggufFields.ts";
import type { Phi3Config } from "./model.ts";

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

const scaleKeys = { original: "rope.scaling.original_context_length", factor: "rope.scaling.attn_factor" };
const longFactors = "rope_factors_long.weight";
const shortFactors = "rope_factors_short.weight";

/**
 * Reads the longrope settings of a GGUF file. `trained` is the number of positions in the original training, `most` the
 * maximum number of positions of the model.
 */
function readLongRope(
  { metadata, key, ropeFactors }: GgufParts,
  { trained, most }: { trained: number; most: number },
): Record<string, unknown> {
  const [long, short] = [ropeFactors.get(longFactors), ropeFactors.get(shortFactors)];
  if (!long || !short) throw new Error(`${metadata.where}: ${long ? shortFactors : longFactors} is missing`);
  // The file stores the factor as f32, so a factor that equals the default rounded to f32 is read as the default.
  const usual = defaultAttentionFactor(Math.max(1, most / trained), trained);
  const factor = metadata.number(key(scaleKeys.factor), 1);
  return {
    rope_type: "longrope",
    long_factor: Array.from(long, decimal),
    short_factor: Array.from(short, decimal),
    original_max_position_embeddings: trained,
    attention_factor: factor === Math.fround(usual) ? usual : decimal(factor),
  };
}

/**
 * Returns the GGUF metadata of longrope. The factors of the frequencies are not included, since GGUF stores them as
 * tensors.
 */
function longRopeMetadata({ originalMaxPositionEmbeddings, attentionFactor }: LongRopeScaling) {
  return {
    [scaleKeys.original]: u32(originalMaxPositionEmbeddings),
    [scaleKeys.factor]: f32(attentionFactor),
  };
}

/** The conversion of Phi-3 to and from GGUF. */
export const phi3Form: GgufForm<Phi3Config> = {
  architecture: "phi3",
  notes: windowNote,
  readConfig: (parts) => {
    const { metadata, key, ropeFactors } = parts;
    // Converters write 0 for no sliding window.
    const size = Number(metadata.raw(key(windowKey)) ?? 0);
    const decoder = readDecoderGguf(parts);
    const rotary = metadata.integer(key("rope.dimension_count"), decoder.head_dim);
    const trained = metadata.integer(key(scaleKeys.original), decoder.max_position_embeddings);
    const plain = { theta: decoder.rope_theta, headDim: decoder.head_dim, factors: undefined };
    return {
      ...decoder,
      hidden_act: "silu",
      rms_norm_eps: decimal(metadata.number(key("attention.layer_norm_rms_epsilon"))),
      partial_rotary_factor: rotary / decoder.head_dim,
      original_max_position_embeddings: trained,
      rope_scaling:
        ropeFactors.size > 0
          ? readLongRope(parts, { trained, most: decoder.max_position_embeddings })
          : ropeScaling(metadata, key, plain),
      sliding_window: size === 0 ? null : size,
    };
  },
  metadata: (config) => {
    refuseLlama3(config);
    const { slidingWindow, rope } = config;
    const { scaling } = rope;
    const isLong = scaling?.type === "longrope";
    const plain = { ...rope, partialRotaryFactor: 1, scaling: isLong ? null : scaling };
    return {
      ...llamaMetadata({ ...config, rope: plain }),
      ...decoderMetadata(config),
      ...(isLong ? longRopeMetadata(scaling) : {}),
      ...(slidingWindow === null ? {} : { [windowKey]: u32(slidingWindow) }),
    };
  },
  tensors,
  ropeFactors: ({ rope: { scaling } }): Record<string, readonly number[]> => {
    if (scaling?.type !== "longrope") return {};
    return { [longFactors]: scaling.longFactor, [shortFactors]: scaling.shortFactor };
  },
};
