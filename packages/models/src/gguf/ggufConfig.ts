import { JsonFields } from "../config/jsonFields.ts";
import type { GgufHeader, GgufTensorInfo } from "./readGguf.ts";
import { ropeScaling } from "./ropeScaling.ts";

/** The architectures that can be loaded, by `general.architecture`. */
const configs = { llama: llamaConfig, gpt2: gpt2Config };

/** What a config is made of: the metadata, and those below the architecture's name. */
interface Parts {
  metadata: JsonFields;
  /** A key below the architecture's name: `embedding_length` is `llama.embedding_length`. */
  key: (name: string) => string;
  tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Frequency factors of the rotary embedding, where the file has them. */
  ropeFactors: Float32Array | undefined;
}

/**
 * The config.json, in transformers' keys, of the model that a GGUF file holds. Throws for an architecture that is not
 * supported, and for settings that the model here would ignore.
 */
export function ggufConfig(
  { metadata, tensors }: GgufHeader,
  label: string,
  ropeFactors?: Float32Array,
): Record<string, unknown> {
  const values = Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value]));
  const fields = new JsonFields(values, label);
  const architecture = fields.oneOf("general.architecture", Object.keys(configs) as (keyof typeof configs)[]);
  const key = (name: string) => `${architecture}.${name}`;
  if (fields.raw(key("expert_count")))
    throw fields.bad(key("expert_count"), "0: mixtures of experts are not supported");
  const embeddings = tensors.get("token_embd.weight");
  if (!embeddings) throw new Error(`${label}: the tensor "token_embd.weight" is missing`);
  return {
    ...configs[architecture]({ metadata: fields, key, tensors, ropeFactors }),
    vocab_size: embeddings.shape[0],
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: fields.tokenId("tokenizer.ggml.bos_token_id", null),
    eos_token_id: fields.tokenId("tokenizer.ggml.eos_token_id", null),
    pad_token_id: fields.tokenId("tokenizer.ggml.padding_token_id", null),
    torch_dtype: "float32",
  };
}

function llamaConfig({ metadata, key, tensors, ropeFactors }: Parts): Record<string, unknown> {
  const hiddenSize = metadata.integer(key("embedding_length"));
  const heads = metadata.integer(key("attention.head_count"));
  const headDim = metadata.integer(key("attention.key_length"), hiddenSize / heads);
  for (const name of ["attention.value_length", "rope.dimension_count"]) {
    if (metadata.integer(key(name), headDim) !== headDim) {
      throw metadata.bad(key(name), `the size of a head, ${headDim}; others are not supported`);
    }
  }
  if (metadata.raw(key("attention.sliding_window"))) {
    throw metadata.bad(key("attention.sliding_window"), "none: sliding windows are not supported");
  }
  const theta = decimal(metadata.number(key("rope.freq_base"), 10000));
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_act: "silu",
    hidden_size: hiddenSize,
    intermediate_size: metadata.integer(key("feed_forward_length")),
    num_hidden_layers: metadata.integer(key("block_count")),
    num_attention_heads: heads,
    num_key_value_heads: metadata.integer(key("attention.head_count_kv"), heads),
    head_dim: headDim,
    max_position_embeddings: metadata.integer(key("context_length")),
    rms_norm_eps: decimal(metadata.number(key("attention.layer_norm_rms_epsilon"))),
    rope_theta: theta,
    rope_scaling: ropeScaling(metadata, key, { theta, headDim, factors: ropeFactors }),
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    mlp_bias: tensors.has("blk.0.ffn_up.bias"),
  };
}

function gpt2Config({ metadata, key }: Parts): Record<string, unknown> {
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    activation_function: "gelu_new",
    n_embd: metadata.integer(key("embedding_length")),
    n_head: metadata.integer(key("attention.head_count")),
    n_inner: metadata.integer(key("feed_forward_length")),
    n_layer: metadata.integer(key("block_count")),
    n_positions: metadata.integer(key("context_length")),
    layer_norm_epsilon: decimal(metadata.number(key("attention.layer_norm_epsilon"))),
  };
}

/** The shortest decimal number that is this f32: 1e-5 and not 9.999999747378752e-6, as config.json has it. */
function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}
