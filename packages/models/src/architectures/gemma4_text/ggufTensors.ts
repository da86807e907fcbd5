import type { TensorLayout } from "../../gguf/ggufForm.ts";
import type { Gemma4TextConfig } from "./config.ts";
import { keySources } from "./parts.ts";

/** Returns the width of each layer's MLP. */
export function mlpWidths(config: Gemma4TextConfig): number[] {
  const { intermediateSize, useDoubleWideMlp } = config;
  return keySources(config).map((source) =>
    useDoubleWideMlp && source !== null ? 2 * intermediateSize : intermediateSize,
  );
}

/**
 * Returns two functions that make the layout of a tensor. They put `from` before the tensor's Hugging Face name, and
 * `to` before its GGUF name.
 */
const below = (from: string, to: string) => {
  const one = (hf: string, gguf: string, shape: readonly number[]): TensorLayout => ({
    hf: `${from}${hf}`,
    gguf: `${to}${gguf}`,
    shape,
  });
  return {
    one,
    weight: (hf: string, gguf: string, ...shape: number[]) => one(`${hf}.weight`, `${gguf}.weight`, shape),
  };
};
type Names = ReturnType<typeof below>;

function attention(config: Gemma4TextConfig, layer: number, { weight }: Names): TensorLayout[] {
  const { hiddenSize, numAttentionHeads, layerTypes, globalHeads, attentionKEqV } = config;
  const slides = layerTypes[layer] === "sliding_attention";
  const { headDim, numKeyValueHeads } = slides ? config : globalHeads;
  const [queries, keys] = [numAttentionHeads * headDim, numKeyValueHeads * headDim];
  const own = [
    weight("self_attn.k_proj", "attn_k", keys, hiddenSize),
    weight("self_attn.k_norm", "attn_k_norm", headDim),
    ...(attentionKEqV && !slides ? [] : [weight("self_attn.v_proj", "attn_v", keys, hiddenSize)]),
  ];
  return [
    weight("input_layernorm", "attn_norm", hiddenSize),
    weight("self_attn.q_proj", "attn_q", queries, hiddenSize),
    weight("self_attn.q_norm", "attn_q_norm", headDim),
    ...(keySources(config)[layer] === null ? own : []),
    weight("self_attn.o_proj", "attn_output", hiddenSize, queries),
    weight("post_attention_layernorm", "post_attention_norm", hiddenSize),
  ];
}

function experts({ hiddenSize, experts: found }: Gemma4TextConfig, { one, weight }: Names): TensorLayout[] {
  if (!found) return [];
  const { numExperts: count, moeIntermediateSize: width } = found;
  return [
    { ...weight("router.proj", "ffn_gate_inp", count, hiddenSize), keepsF32: true },
    one("router.scale", "ffn_gate_inp.scale", [hiddenSize]),
    one("router.per_expert_scale", "ffn_down_exps.scale", [count]),
    one("experts.gate_up_proj", "ffn_gate_up_exps.weight", [count, 2 * width, hiddenSize]),
    one("experts.down_proj", "ffn_down_exps.weight", [count, hiddenSize, width]),
    weight("pre_feedforward_layernorm_2", "pre_ffw_norm_2", hiddenSize),
    weight("post_feedforward_layernorm_1", "post_ffw_norm_1", hiddenSize),
    weight("post_feedforward_layernorm_2", "post_ffw_norm_2", hiddenSize),
  ];
}

function block(config: Gemma4TextConfig, layer: number, width: number): TensorLayout[] {
  const { hiddenSize, hiddenSizePerLayerInput: own } = config;
  const names = below(`model.layers.${layer}.`, `blk.${layer}.`);
  const { one, weight } = names;
  const embeddings = [
    weight("per_layer_input_gate", "inp_gate", own, hiddenSize),
    weight("per_layer_projection", "proj", hiddenSize, own),
    weight("post_per_layer_input_norm", "post_norm", hiddenSize),
  ];
  return [
    ...attention(config, layer, names),
    weight("pre_feedforward_layernorm", "ffn_norm", hiddenSize),
    weight("mlp.gate_proj", "ffn_gate", width, hiddenSize),
    weight("mlp.up_proj", "ffn_up", width, hiddenSize),
    weight("mlp.down_proj", "ffn_down", hiddenSize, width),
    ...experts(config, names),
    weight("post_feedforward_layernorm", "post_ffw_norm", hiddenSize),
    ...(own > 0 ? embeddings : []),
    one("layer_scalar", "layer_output_scale.weight", [1]),
  ];
}

/** Returns the tensors of a Gemma 4 model without the output layer. */
export function gemma4Tensors(config: Gemma4TextConfig): TensorLayout[] {
  const { vocabSize, hiddenSize, hiddenSizePerLayerInput: own, vocabSizePerLayerInput, numHiddenLayers } = config;
  const { weight } = below("model.", "");
  const all = numHiddenLayers * own;
  const embeddings = [
    weight("embed_tokens_per_layer", "per_layer_token_embd", vocabSizePerLayerInput, all),
    weight("per_layer_model_projection", "per_layer_model_proj", all, hiddenSize),
    weight("per_layer_projection_norm", "per_layer_proj_norm", own),
  ];
  return [
    weight("embed_tokens", "token_embd", vocabSize, hiddenSize),
    ...(own > 0 ? embeddings : []),
    ...mlpWidths(config).flatMap((width, layer) => block(config, layer, width)),
    weight("norm", "output_norm", hiddenSize),
  ];
}
