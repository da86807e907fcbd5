import type { GPT2Config } from "../config/gpt2Config.ts";
import type { LlamaConfig } from "../config/llamaConfig.ts";
import type { ModelConfig } from "../config/modelConfig.ts";

/** One tensor of a model: its names in a Hugging Face folder and in a GGUF file, and how it lies there. */
export interface TensorLayout {
  hf: string;
  gguf: string;
  /** Its shape in the Hugging Face folder. */
  shape: readonly number[];
  /** Present where GGUF interleaves the two halves of each head's rows, as llama.cpp's rotary embedding wants them. */
  heads?: number;
  /** Present where GGUF has [out, in] and Hugging Face's Conv1D [in, out]. */
  transposed?: true;
}

/** The tensors of a model, a tied output layer left out, in the order of llama.cpp's converter: as they are used. */
export function tensorLayouts(config: ModelConfig): TensorLayout[] {
  return config.modelType === "llama" ? llamaLayouts(config) : gpt2Layouts(config);
}

function llamaLayouts(config: LlamaConfig): TensorLayout[] {
  const { hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads, headDim } = config;
  const { vocabSize, attentionBias, mlpBias } = config;
  const queries = numAttentionHeads * headDim;
  const keys = numKeyValueHeads * headDim;
  const tensors: TensorLayout[] = [
    { hf: "model.embed_tokens.weight", gguf: "token_embd.weight", shape: [vocabSize, hiddenSize] },
  ];
  for (let i = 0; i < numHiddenLayers; i++) {
    const [from, to] = [`model.layers.${i}`, `blk.${i}`];
    const norm = (hf: string, gguf: string) =>
      tensors.push({ hf: `${from}.${hf}.weight`, gguf: `${to}.${gguf}.weight`, shape: [hiddenSize] });
    const linear = (hf: string, gguf: string, out: number, inputs: number, bias: boolean, heads?: number) => {
      const rotary = heads === undefined ? {} : { heads };
      tensors.push({ hf: `${from}.${hf}.weight`, gguf: `${to}.${gguf}.weight`, shape: [out, inputs], ...rotary });
      if (bias) tensors.push({ hf: `${from}.${hf}.bias`, gguf: `${to}.${gguf}.bias`, shape: [out], ...rotary });
    };
    norm("input_layernorm", "attn_norm");
    linear("self_attn.q_proj", "attn_q", queries, hiddenSize, attentionBias, numAttentionHeads);
    linear("self_attn.k_proj", "attn_k", keys, hiddenSize, attentionBias, numKeyValueHeads);
    linear("self_attn.v_proj", "attn_v", keys, hiddenSize, attentionBias);
    linear("self_attn.o_proj", "attn_output", hiddenSize, queries, attentionBias);
    norm("post_attention_layernorm", "ffn_norm");
    linear("mlp.gate_proj", "ffn_gate", intermediateSize, hiddenSize, mlpBias);
    linear("mlp.up_proj", "ffn_up", intermediateSize, hiddenSize, mlpBias);
    linear("mlp.down_proj", "ffn_down", hiddenSize, intermediateSize, mlpBias);
  }
  tensors.push({ hf: "model.norm.weight", gguf: "output_norm.weight", shape: [hiddenSize] });
  return withHead(tensors, config.tieWordEmbeddings, [vocabSize, hiddenSize]);
}

function gpt2Layouts({ vocabSize, nPositions, nEmbd, nLayer, nInner, tieWordEmbeddings }: GPT2Config): TensorLayout[] {
  const tensors: TensorLayout[] = [
    { hf: "transformer.wte.weight", gguf: "token_embd.weight", shape: [vocabSize, nEmbd] },
    { hf: "transformer.wpe.weight", gguf: "position_embd.weight", shape: [nPositions, nEmbd] },
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
  return withHead(tensors, tieWordEmbeddings, [vocabSize, nEmbd]);
}

function withHead(tensors: TensorLayout[], tied: boolean, shape: readonly number[]): TensorLayout[] {
  return tied ? tensors : [...tensors, { hf: "lm_head.weight", gguf: "output.weight", shape }];
}
