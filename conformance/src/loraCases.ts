import type { LoraOptions } from "@lowrank/peft";
import type { BaseName } from "./bases.ts";
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
