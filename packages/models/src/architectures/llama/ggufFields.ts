import type { Activation } from "../../config/architectureConfig.ts";
import type { GgufParts, TensorLayout } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf, u32 } from "../../gguf/ggufValues.ts";
import { ropeScaling } from "../../gguf/ropeScaling.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { inverseFrequencies } from "../../rope/rope.ts";
import { rotaryDimOf } from "../../rope/ropeConfig.ts";
import type { DecoderConfig, LlamaFamilyConfig } from "./config.ts";
import type { LlamaTraits } from "./traits.ts";

/** The keys of a config.json that all decoders share. */
interface DecoderKeys {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  max_position_embeddings: number;
  rope_theta: number;
}

/**
 * Reads the config.json keys that all decoders share, except the keys for norms and rotary scaling. Values in `found`,
 * which the caller has read from other metadata, are used instead of the file's usual keys.
 */
export function readDecoderGguf(
  { metadata, key }: GgufParts,
  found: Partial<Pick<DecoderKeys, "num_key_value_heads" | "intermediate_size">> = {},
): DecoderKeys {
  const hiddenSize = metadata.integer(key("embedding_length"));
  const heads = metadata.integer(key("attention.head_count"));
  const headDim = metadata.integer(key("attention.key_length"), hiddenSize / heads);
  if (metadata.integer(key("attention.value_length"), headDim) !== headDim) {
    throw metadata.bad(key("attention.value_length"), `the size of a head, ${headDim}; others are not supported`);
  }
  return {
    hidden_size: hiddenSize,
    intermediate_size: found.intermediate_size ?? metadata.integer(key("feed_forward_length")),
    num_hidden_layers: metadata.integer(key("block_count")),
    num_attention_heads: heads,
    num_key_value_heads: found.num_key_value_heads ?? metadata.integer(key("attention.head_count_kv"), heads),
    head_dim: headDim,
    max_position_embeddings: metadata.integer(key("context_length")),
    rope_theta: decimal(metadata.number(key("rope.freq_base"), 10000)),
  };
}

/** Reads the config.json keys that Llama-style decoders with RMSNorm share. */
export function readLlamaGguf(parts: GgufParts): Record<string, unknown> {
  const { metadata, key, ropeFactors } = parts;
  const decoder = readDecoderGguf(parts);
  const { head_dim: headDim, rope_theta: theta } = decoder;
  if (metadata.integer(key("rope.dimension_count"), headDim) !== headDim) {
    throw metadata.bad(key("rope.dimension_count"), `the size of a head, ${headDim}; others are not supported`);
  }
  return {
    ...decoder,
    hidden_act: "silu",
    rms_norm_eps: decimal(metadata.number(key("attention.layer_norm_rms_epsilon"))),
    rope_scaling: ropeScaling(metadata, key, { theta, headDim, factors: ropeFactors.get("rope_freqs.weight") }),
  };
}

/** Throws if the file sets a sliding window, since this model would ignore it. */
export function refuseWindow({ metadata, key }: GgufParts): void {
  if (metadata.raw(key("attention.sliding_window"))) {
    throw metadata.bad(key("attention.sliding_window"), "none: its sliding window is not supported");
  }
}

/**
 * Returns the GGUF metadata that Llama-style decoders with RMSNorm share. Throws for settings that GGUF cannot express.
 */
export function llamaMetadata(config: LlamaFamilyConfig, activation: Activation = "silu"): Record<string, GgufValue> {
  if (config.hiddenAct !== activation) {
    throw notInGguf("hidden_act", config.hiddenAct, `${activation}, which GGUF's ${config.modelType} has`);
  }
  const { scaling, partialRotaryFactor } = config.rope;
  if (partialRotaryFactor !== 1) throw notInGguf("partial_rotary_factor", partialRotaryFactor, "1 here");
  if (scaling && scaling.type !== "linear" && scaling.type !== "llama3") {
    throw notInGguf("rope_type", scaling.type, "default, linear or llama3 here");
  }
  // Llama 3's scaling is stored as a tensor, rope_freqs.weight.
  const linear: Record<string, GgufValue> =
    scaling?.type === "linear"
      ? { "rope.scaling.type": { type: "string", value: "linear" }, "rope.scaling.factor": f32(scaling.factor) }
      : {};
  return {
    ...decoderMetadata(config),
    ...linear,
    "attention.layer_norm_rms_epsilon": f32(config.rmsNormEps),
  };
}

/** Returns the GGUF metadata that all decoders share, except for norms and rotary scaling. */
export function decoderMetadata(config: DecoderConfig): Record<string, GgufValue> {
  return {
    block_count: u32(config.numHiddenLayers),
    context_length: u32(config.maxPositionEmbeddings),
    embedding_length: u32(config.hiddenSize),
    feed_forward_length: u32(config.intermediateSize),
    "attention.head_count": u32(config.numAttentionHeads),
    "attention.head_count_kv": u32(config.numKeyValueHeads),
    "rope.freq_base": f32(config.rope.theta),
    "attention.key_length": u32(config.headDim),
    "attention.value_length": u32(config.headDim),
    vocab_size: u32(config.vocabSize),
    "rope.dimension_count": u32(rotaryDimOf(config.rope, config.headDim)),
  };
}

/**
 * Throws if the config has Llama 3's rotary scaling. For use with architectures for which llama.cpp does not read the
 * frequency divisors of this scaling.
 */
export function refuseLlama3({ rope, modelType }: LlamaFamilyConfig): void {
  if (rope.scaling?.type === "llama3") {
    throw notInGguf("rope_type", "llama3", `default or linear for a ${modelType}`);
  }
}

/**
 * Returns the GGUF tensor with a divisor for each rotary frequency, if the config has Llama 3's rotary scaling.
 * Otherwise returns an empty object.
 */
export function llama3Factors({ rope, headDim }: LlamaFamilyConfig): Record<string, Float32Array> {
  if (rope.scaling?.type !== "llama3") return {};
  const scaled = inverseFrequencies(rope, headDim);
  const plain = inverseFrequencies({ ...rope, scaling: null }, headDim);
  return { "rope_freqs.weight": plain.map((frequency, i) => frequency / scaled[i]) };
}

/**
 * Returns the layouts of some tensors of a block. Their Hugging Face names begin with `from`, their GGUF names with
 * `to`.
 */
type BlockTensors = (from: string, to: string) => readonly TensorLayout[];

/** Settings for the GGUF tensors of one Llama-style architecture. Each architecture has its own settings. */
interface KinTensors {
  /**
   * True if llama.cpp rotates pairs of adjacent elements of a head. False if it rotates pairs that are half a head
   * apart, as transformers does.
   */
  readonly interleaves: boolean;
  /**
   * The GGUF name of each norm in a block, by its Hugging Face name. Lists only the norms over all elements of a hidden
   * state, not norms over single heads. Default: Llama's two norms.
   */
  readonly norms?: Readonly<Record<string, string>>;
  /** The amount by which norm weights in GGUF files are larger than in Hugging Face folders. Default 0. */
  readonly normPlus?: number;
  /** True if norms have biases. Default false. */
  readonly normBias?: boolean;
  /**
   * The elements that a norm of queries or keys normalises over: each head, or all heads together. Default: no such
   * norms.
   */
  readonly normed?: "head" | "heads";
  /** Returns the layouts of additional tensors of a block. Default: none. */
  readonly more?: BlockTensors;
  /** Returns the tensor layouts of a block's MLP or experts. Default: an MLP with a gate. */
  readonly feedForward?: BlockTensors;
}

const llamaNorms = { input_layernorm: "attn_norm", post_attention_layernorm: "ffn_norm" };

/** Returns the layouts of all tensors of a Llama-style decoder except the output layer. */
export function llamaTensors(
  config: DecoderConfig,
  traits: LlamaTraits,
  { interleaves, norms = llamaNorms, normPlus, normBias = false, normed, more, feedForward }: KinTensors,
): TensorLayout[] {
  const { vocabSize, hiddenSize, intermediateSize, numHiddenLayers, headDim } = config;
  const { numAttentionHeads, numKeyValueHeads } = config;
  const { qkvBias = false, outputBias = false, mlpBias = false } = traits;
  const queries = numAttentionHeads * headDim;
  const keys = numKeyValueHeads * headDim;
  const plus = normPlus === undefined ? {} : { plus: normPlus };
  const tensors: TensorLayout[] = [
    { hf: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: [vocabSize, hiddenSize] },
  ];
  for (let i = 0; i < numHiddenLayers; i++) {
    const [from, to] = [`model.layers.${i}`, `blk.${i}`];
    const norm = (hf: string, gguf: string, size = hiddenSize) => {
      tensors.push({ hf: `${from}.${hf}.weight`, gguf: `${to}.${gguf}.weight`, shape: [size], ...plus });
      if (normBias) tensors.push({ hf: `${from}.${hf}.bias`, gguf: `${to}.${gguf}.bias`, shape: [size] });
    };
    const linear = (hf: string, gguf: string, out: number, inputs: number, bias: boolean, heads?: number) => {
      const rotary = heads === undefined || !interleaves ? {} : { heads };
      tensors.push({ hf: `${from}.${hf}.weight`, gguf: `${to}.${gguf}.weight`, shape: [out, inputs], ...rotary });
      if (bias) tensors.push({ hf: `${from}.${hf}.bias`, gguf: `${to}.${gguf}.bias`, shape: [out], ...rotary });
    };
    for (const [hf, gguf] of Object.entries(norms)) norm(hf, gguf);
    if (normed) {
      norm("self_attn.q_norm", "attn_q_norm", normed === "head" ? headDim : queries);
      norm("self_attn.k_norm", "attn_k_norm", normed === "head" ? headDim : keys);
    }
    linear("self_attn.q_proj", "attn_q", queries, hiddenSize, qkvBias, numAttentionHeads);
    linear("self_attn.k_proj", "attn_k", keys, hiddenSize, qkvBias, numKeyValueHeads);
    linear("self_attn.v_proj", "attn_v", keys, hiddenSize, qkvBias);
    linear("self_attn.o_proj", "attn_output", hiddenSize, queries, outputBias);
    tensors.push(...(more?.(from, to) ?? []));
    if (feedForward) {
      tensors.push(...feedForward(from, to));
      continue;
    }
    linear("mlp.gate_proj", "ffn_gate", intermediateSize, hiddenSize, mlpBias);
    linear("mlp.up_proj", "ffn_up", intermediateSize, hiddenSize, mlpBias);
    linear("mlp.down_proj", "ffn_down", hiddenSize, intermediateSize, mlpBias);
  }
  tensors.push({ hf: "model.norm.weight", gguf: "output_norm.weight", shape: [hiddenSize], ...plus });
  if (normBias) tensors.push({ hf: "model.norm.bias", gguf: "output_norm.bias", shape: [hiddenSize] });
  return tensors;
}
