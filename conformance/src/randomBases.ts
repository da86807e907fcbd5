import type { Draw } from "./draw.ts";

/** A small model to be made at random, and what there is in it for adapters. */
export interface RandomBase {
  /** As transformers reads it. */
  config: Record<string, unknown> & { model_type: string; vocab_size: number };
  /** How its weights are stored; both sides compute in float32. */
  dtype: "float32" | "bfloat16" | "float16";
  /** [inputs, outputs] of the linear layers of a block, by their path in it. */
  linears: Readonly<Record<string, readonly [inputs: number, outputs: number]>>;
  embedding: string;
  /** The output layer shares the embedding's weight. */
  tied: boolean;
  /** Norms, by a name that ends their paths; the last one stands behind all blocks. */
  norms: readonly string[];
  /** What stands before a layer's number. */
  layersPattern: string;
  layers: number;
  /** The linear layers that PEFT's methods for attention take where they are told none. */
  attention: readonly string[];
}

const tokens = { initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };

function llama(draw: Draw): Omit<RandomBase, "dtype"> {
  const keyHeads = draw.integer(1, 2);
  const heads = keyHeads * draw.integer(1, 3);
  const headDim = 2 * draw.integer(2, 5);
  const own = draw.chance(0.4);
  const hidden = heads * (own ? draw.integer(4, 13) : headDim);
  const inner = draw.integer(9, 56);
  const tied = draw.chance(0.3);
  const layers = draw.integer(1, 3);
  const [queries, keys] = [heads * headDim, keyHeads * headDim];
  return {
    config: {
      model_type: "llama",
      ...tokens,
      vocab_size: draw.integer(50, 70),
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      max_position_embeddings: 64,
      tie_word_embeddings: tied,
      hidden_act: draw.pick(["silu", "silu", "gelu", "gelu_pytorch_tanh"]),
      attention_bias: draw.chance(0.3),
      mlp_bias: draw.chance(0.3),
      rms_norm_eps: draw.pick([1e-6, 1e-5]),
      rope_theta: draw.pick([10000, 500]),
      ...(own ? { head_dim: headDim } : {}),
    },
    linears: {
      "self_attn.q_proj": [hidden, queries],
      "self_attn.k_proj": [hidden, keys],
      "self_attn.v_proj": [hidden, keys],
      "self_attn.o_proj": [queries, hidden],
      "mlp.gate_proj": [hidden, inner],
      "mlp.up_proj": [hidden, inner],
      "mlp.down_proj": [inner, hidden],
    },
    ...{
      tied,
      layers,
      embedding: "embed_tokens",
      layersPattern: "layers",
      attention: ["self_attn.q_proj", "self_attn.v_proj"],
    },
    norms: ["input_layernorm", "post_attention_layernorm", "norm"],
  };
}

function gpt2(draw: Draw): Omit<RandomBase, "dtype"> {
  const heads = draw.integer(1, 4);
  const hidden = heads * draw.integer(3, 9);
  const inner = draw.chance(0.5) ? draw.integer(9, 56) : 4 * hidden;
  const tied = draw.chance(0.7);
  const layers = draw.integer(1, 3);
  return {
    config: {
      model_type: "gpt2",
      ...tokens,
      vocab_size: draw.integer(50, 70),
      n_embd: hidden,
      n_layer: layers,
      n_head: heads,
      n_positions: 64,
      n_inner: inner,
      activation_function: draw.pick(["gelu_new", "gelu_new", "relu", "gelu"]),
      tie_word_embeddings: tied,
      scale_attn_by_inverse_layer_idx: draw.chance(0.2),
      ...{ resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
    },
    linears: {
      "attn.c_attn": [hidden, 3 * hidden],
      "attn.c_proj": [hidden, hidden],
      "mlp.c_fc": [hidden, inner],
      "mlp.c_proj": [inner, hidden],
    },
    ...{ tied, layers, embedding: "wte", layersPattern: "h", attention: ["attn.c_attn"] },
    norms: ["ln_1", "ln_2", "ln_f"],
  };
}

/** The architectures that are tried, by `model_type`. */
const architectures = { llama, gpt2 };

/** A small model: grouped-query heads, tied and untied output layers, biases or none, odd sizes, half precision on disk. */
export function randomBase(draw: Draw): RandomBase {
  const architecture = draw.pick(Object.values(architectures));
  const dtype = draw.pick(["float32", "float32", "float32", "bfloat16", "float16"]);
  return { ...architecture(draw), dtype };
}
