import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf, u32 } from "../../gguf/ggufValues.ts";
import type { GPT2Config } from "./config.ts";

/** The conversion of GPT-2 to and from GGUF. */
export const gpt2Gguf: GgufForm<GPT2Config> = {
  architecture: "gpt2",
  readConfig: ({ metadata, key }) => ({
    activation_function: "gelu_new",
    n_embd: metadata.integer(key("embedding_length")),
    n_head: metadata.integer(key("attention.head_count")),
    n_inner: innerWidth(metadata.integer(key("feed_forward_length")), metadata.integer(key("embedding_length"))),
    n_layer: metadata.integer(key("block_count")),
    n_positions: metadata.integer(key("context_length")),
    layer_norm_epsilon: decimal(metadata.number(key("attention.layer_norm_epsilon"))),
  }),
  metadata: (config) => {
    // Both are names of the tanh approximation of GELU.
    if (!["gelu_new", "gelu_pytorch_tanh"].includes(config.activationFunction)) {
      throw notInGguf("activation_function", config.activationFunction, "gelu_new, which GGUF's gpt2 has");
    }
    if (!config.scaleAttnWeights) throw notInGguf("scale_attn_weights", false, "true");
    if (config.scaleAttnByInverseLayerIdx) throw notInGguf("scale_attn_by_inverse_layer_idx", true, "false");
    return {
      block_count: u32(config.nLayer),
      context_length: u32(config.nPositions),
      embedding_length: u32(config.nEmbd),
      feed_forward_length: u32(config.nInner),
      "attention.head_count": u32(config.nHead),
      "attention.layer_norm_epsilon": f32(config.layerNormEpsilon),
      vocab_size: u32(config.vocabSize),
    };
  },
  tensors: ({ vocabSize, nPositions, nEmbd, nLayer, nInner }) => {
    const tensors: TensorLayout[] = [
      { hf: "transformer.wte.weight", gguf: "token_embd.weight", shape: [vocabSize, nEmbd] },
      { hf: "transformer.wpe.weight", gguf: "position_embd.weight", shape: [nPositions, nEmbd], keepsF32: true },
    ];
    const norm = (hf: string, gguf: string) => {
      for (const part of ["weight", "bias"]) {
        tensors.push({ hf: `transformer.${hf}.${part}`, gguf: `${gguf}.${part}`, shape: [nEmbd] });
      }
    };
    const conv1D = (hf: string, gguf: string, inputs: number, out: number) =>
      tensors.push(
        { hf: `transformer.${hf}.weight`, gguf: `${gguf}.weight`, shape: [inputs, out], transposed: true },
        { hf: `transformer.${hf}.bias`, gguf: `${gguf}.bias`, shape: [out] },
      );
    for (let i = 0; i < nLayer; i++) {
      norm(`h.${i}.ln_1`, `blk.${i}.attn_norm`);
      conv1D(`h.${i}.attn.c_attn`, `blk.${i}.attn_qkv`, nEmbd, 3 * nEmbd);
      conv1D(`h.${i}.attn.c_proj`, `blk.${i}.attn_output`, nEmbd, nEmbd);
      norm(`h.${i}.ln_2`, `blk.${i}.ffn_norm`);
      conv1D(`h.${i}.mlp.c_fc`, `blk.${i}.ffn_up`, nEmbd, nInner);
      conv1D(`h.${i}.mlp.c_proj`, `blk.${i}.ffn_down`, nInner, nEmbd);
    }
    norm("ln_f", "output_norm");
    return tensors;
  },
};

/** Returns the width of the MLP for config.json; null for the default, which GGUF files also contain. */
function innerWidth(inner: number, width: number): number | null {
  return inner === 4 * width ? null : inner;
}
