import type { LoraOptions } from "@lowrank/peft";
import { trainedTokens } from "./batch.ts";

/** One adapter to test in both directions. */
export interface LoraCase {
  name: string;
  base: BaseName;
  options: LoraOptions;
}

const all: LoraOptions = { r: 4, loraAlpha: 16, targetModules: "all-linear" };

const lora = (base: BaseName, name: string, options: LoraOptions): LoraCase => ({ base, name, options });

/** LoRA configurations for the selection of layers, scaling, and saving of other modules. */
export const loraCases: readonly LoraCase[] = [
  lora("llama", "all linears", all),
  lora("llama", "default targets", { r: 4, loraAlpha: 16 }),
  lora("llama", "rsLoRA", { ...all, useRslora: true }),
  lora("llama", "targets by expression", { r: 4, targetModules: String.raw`.*\.(q_proj|down_proj)` }),
  lora("llama", "one layer", { r: 4, targetModules: ["q_proj", "up_proj"], layersToTransform: [1] }),
  lora("llama", "excluded modules", { ...all, excludeModules: ["k_proj", "layers.0.mlp.up_proj"] }),
  lora("llama", "rank and alpha patterns", {
    ...all,
    rankPattern: { q_proj: 2, "layers.1.mlp.up_proj": 6 },
    alphaPattern: { down_proj: 32, "layers.0.self_attn.q_proj": 4 },
  }),
  lora("llama", "output layer saved", { ...all, modulesToSave: ["lm_head"] }),
  lora("llama", "trainable tokens", { ...all, trainableTokenIndices: [...trainedTokens] }),
  lora("llama", "embedding", { r: 4, loraAlpha: 16, targetModules: ["embed_tokens", "q_proj"] }),
  lora("llama-tied", "all linears", all),
  lora("llama-tied", "norms saved", { ...all, modulesToSave: ["input_layernorm", "norm"] }),
  lora("llama-tied", "trainable tokens", { ...all, trainableTokenIndices: [...trainedTokens] }),
  lora("gpt2", "all linears", all),
  lora("gpt2", "default targets", { r: 4, loraAlpha: 16 }),
  lora("gpt2", "all biases", { ...all, bias: "all" }),
  lora("gpt2", "biases of the targets", { ...all, bias: "lora_only" }),
  lora("gpt2", "bias on B", { ...all, loraBias: true }),
  lora("gpt2", "rsLoRA, patterns, norm saved", {
    ...all,
    useRslora: true,
    rankPattern: { "h.1.mlp.c_fc": 6 },
    modulesToSave: ["ln_f"],
  }),
  lora("gpt2", "trainable tokens", { ...all, trainableTokenIndices: { wte: [...trainedTokens] } }),
];

const sizes = { vocab_size: 101, initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };

const llama = {
  model_type: "llama",
  ...sizes,
  hidden_size: 32,
  intermediate_size: 56,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
};

const noDropout = { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };

/**
 * The models on which adapters are tested, as transformers configs: grouped-query heads, tied and untied output layers,
 * and GPT-2 with weights stored as [in, out]. Weights have ten times the usual size, so that logits are of order 1.
 */
export const bases = {
  llama,
  "llama-tied": { ...llama, tie_word_embeddings: true },
  gpt2: { model_type: "gpt2", ...sizes, n_embd: 32, n_layer: 2, n_head: 4, n_positions: 64, ...noDropout },
};

/** The name of one of the `bases`. */
export type BaseName = keyof typeof bases;
