import type { Draw } from "../draw.ts";
import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

const [full, sliding] = ["full_attention", "sliding_attention"];

/** Draws types of layers, and how many of the last ones use keys of earlier layers. */
function drawLayers(draw: Draw): { types: string[]; shared: number } {
  const layers = draw.integer(2, 4);
  const types = Array.from({ length: layers }, (_, i) => (i === layers - 1 || draw.chance(0.4) ? full : sliding));
  const most = layers - 1 - Math.max(...[...new Set(types)].map((type) => types.indexOf(type)));
  return { types, shared: draw.chance(0.6) ? most : 0 };
}

/** Draws the rotary embeddings of both types of layers. */
function drawRopes(draw: Draw): Record<string, object> {
  return {
    [full]: {
      rope_type: "proportional",
      rope_theta: draw.pick([10000, 500]),
      partial_rotary_factor: draw.pick([0.25, 0.5, 1]),
    },
    [sliding]: { rope_type: "default", rope_theta: draw.pick([10000, 500]) },
  };
}

/**
 * A gemma4_text: heads of one or two sizes, separate or shared keys and values, with and without per-layer embeddings
 * and experts.
 */
export const gemma4Text: DrawBase = (draw) => {
  const keyHeads = draw.integer(1, 2);
  const heads = keyHeads * draw.integer(1, 3);
  // Scores are not divided by the square root of the head size, so larger heads saturate attention.
  const headDim = 2 * draw.integer(2, 3);
  const hidden = heads * draw.integer(4, 13);
  const inner = draw.integer(9, 56);
  const vocab = draw.integer(50, 70);
  const tied = draw.chance(0.7);
  const { types, shared } = drawLayers(draw);
  // transformers runs no model with shared keys but without per-layer embeddings.
  const own = shared > 0 || draw.chance(0.3) ? draw.integer(3, 8) : 0;
  // The output sizes of every layer are multiples of the sliding-window layers' sizes.
  const widens = draw.chance(0.6);
  const keysAreValues = draw.chance(0.3);
  const globalKeyHeads = widens && keysAreValues && keyHeads === 2 ? 1 : keyHeads;
  const experts = draw.chance(0.25) ? draw.integer(2, 4) : 0;
  const givers = types.slice(0, types.length - shared);
  const [queries, keys] = [heads * headDim, keyHeads * headDim];
  const config = {
    model_type: "gemma4_text",
    ...tokens,
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: types.length,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    head_dim: headDim,
    global_head_dim: widens ? 2 * headDim : headDim,
    num_global_key_value_heads: globalKeyHeads,
    attention_k_eq_v: keysAreValues,
    attention_bias: draw.chance(0.2),
    max_position_embeddings: 64,
    tie_word_embeddings: tied,
    hidden_activation: draw.pick(["silu", "gelu_pytorch_tanh"]),
    // A small epsilon increases the rounding errors of small rows, and every sub-layer has norms.
    rms_norm_eps: draw.pick([1e-4, 1e-3]),
    sliding_window: draw.integer(2, 8),
    layer_types: types,
    ...draw.maybe(0.6, () => ({ rope_parameters: drawRopes(draw) })),
    num_kv_shared_layers: shared,
    use_double_wide_mlp: draw.chance(0.3),
    final_logit_softcapping: draw.pick([null, 2.5, 30.5]),
    hidden_size_per_layer_input: own,
    vocab_size_per_layer_input: vocab,
    ...(experts > 0 && {
      enable_moe_block: true,
      num_experts: experts,
      top_k_experts: draw.integer(1, experts),
      moe_intermediate_size: draw.integer(5, 20),
    }),
  };
  // If each token has one expert, gradients of the router are zero, and AdamW would make steps from rounding errors.
  const router = (config.top_k_experts ?? 0) > 1 ? ["router.proj.weight"] : [];
  return {
    config,
    // Scores are not divided by the square root of the head size. A merged half-precision weight that rounds to the
    // other side therefore changes logits more than in other models.
    dtype: "float32",
    task: "CAUSAL_LM",
    kind: "decoder",
    classes: vocab,
    linears: {
      "self_attn.q_proj": [hidden, queries],
      "self_attn.k_proj": [hidden, keys],
      ...(!keysAreValues || givers.includes(sliding) ? { "self_attn.v_proj": [hidden, keys] as const } : {}),
      "self_attn.o_proj": [queries, hidden],
      "mlp.gate_proj": [hidden, inner],
      "mlp.up_proj": [hidden, inner],
      "mlp.down_proj": [inner, hidden],
      ...(own > 0 && {
        per_layer_input_gate: [hidden, own] as const,
        per_layer_projection: [own, hidden] as const,
      }),
    },
    conv1d: false,
    ...(experts > 0 && { parameters: ["experts.gate_up_proj", "experts.down_proj", ...router] }),
    embedding: "embed_tokens",
    scaledEmbedding: true,
    tied,
    // Values have a norm without weights, which the name "norm" would match too.
    norms: ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "model.norm"],
    layersPattern: "layers",
    layers: types.length,
    attention: null,
    ...(shared > 0 || widens || keysAreValues ? { unlikeBlocks: true } : {}),
    // The model has linear layers outside of blocks, or in a router.
    ...(own > 0 || experts > 0 ? { otherLinears: true } : {}),
    // transformers recovers token ids from their embeddings, which fails for prompts.
    ...(own > 0 ? { unprompted: true } : {}),
  };
};
