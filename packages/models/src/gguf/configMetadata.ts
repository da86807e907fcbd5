import type { GPT2Config } from "../config/gpt2Config.ts";
import type { LlamaConfig } from "../config/llamaConfig.ts";
import type { ModelConfig } from "../config/modelConfig.ts";
import type { GgufValue } from "./writeGguf.ts";

const u32 = (value: number): GgufValue => ({ type: "u32", value });
const f32 = (value: number): GgufValue => ({ type: "f32", value });

/** What a config says, under the keys of llama.cpp. Throws for what GGUF has no key for, since it would be lost. */
export function configMetadata(config: ModelConfig): Map<string, GgufValue> {
  const keys = config.modelType === "llama" ? llamaKeys(config) : gpt2Keys(config);
  return new Map(Object.entries(keys).map(([key, value]) => [`${config.modelType}.${key}`, value]));
}

function llamaKeys(config: LlamaConfig): Record<string, GgufValue> {
  if (config.hiddenAct !== "silu") throw unsayable("hidden_act", config.hiddenAct, "silu, which GGUF's llama has");
  const { theta, scaling } = config.rope;
  // Llama 3's scaling is a tensor, rope_freqs.weight.
  const linear: Record<string, GgufValue> =
    scaling?.type === "linear"
      ? { "rope.scaling.type": { type: "string", value: "linear" }, "rope.scaling.factor": f32(scaling.factor) }
      : {};
  return {
    block_count: u32(config.numHiddenLayers),
    context_length: u32(config.maxPositionEmbeddings),
    embedding_length: u32(config.hiddenSize),
    feed_forward_length: u32(config.intermediateSize),
    "attention.head_count": u32(config.numAttentionHeads),
    "attention.head_count_kv": u32(config.numKeyValueHeads),
    "rope.freq_base": f32(theta),
    ...linear,
    "attention.layer_norm_rms_epsilon": f32(config.rmsNormEps),
    "attention.key_length": u32(config.headDim),
    "attention.value_length": u32(config.headDim),
    vocab_size: u32(config.vocabSize),
    "rope.dimension_count": u32(config.headDim),
  };
}

function gpt2Keys(config: GPT2Config): Record<string, GgufValue> {
  // Two names of one function.
  if (!["gelu_new", "gelu_pytorch_tanh"].includes(config.activationFunction)) {
    throw unsayable("activation_function", config.activationFunction, "gelu_new, which GGUF's gpt2 has");
  }
  if (!config.scaleAttnWeights) throw unsayable("scale_attn_weights", false, "true");
  if (config.scaleAttnByInverseLayerIdx) throw unsayable("scale_attn_by_inverse_layer_idx", true, "false");
  return {
    block_count: u32(config.nLayer),
    context_length: u32(config.nPositions),
    embedding_length: u32(config.nEmbd),
    feed_forward_length: u32(config.nInner),
    "attention.head_count": u32(config.nHead),
    "attention.layer_norm_epsilon": f32(config.layerNormEpsilon),
    vocab_size: u32(config.vocabSize),
  };
}

function unsayable(key: string, value: unknown, expected: string): Error {
  return new Error(`config.json: ${key} is ${JSON.stringify(value)}; a GGUF file can only mean ${expected}`);
}
