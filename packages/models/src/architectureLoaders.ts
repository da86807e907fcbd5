/**
 * Loads an architecture by its `modelType`, of those that are known from the start. A page that
 * loads a model downloads only that model's; `architectures.ts` has them all at once.
 */
export const architectureLoaders: Readonly<Record<string, () => Promise<unknown>>> = {
  bert: async () => (await import("./bert.ts")).bert,
  "deberta-v2": async () => (await import("./debertaV2.ts")).debertaV2,
  distilbert: async () => (await import("./distilBert.ts")).distilBert,
  gemma2: async () => (await import("./gemma2.ts")).gemma2,
  gemma3_text: async () => (await import("./gemma3Text.ts")).gemma3Text,
  gemma4_text: async () => (await import("./gemma4Text.ts")).gemma4Text,
  gpt2: async () => (await import("./gpt2.ts")).gpt2,
  gpt_neox: async () => (await import("./gptNeoX.ts")).gptNeoX,
  granite: async () => (await import("./granite.ts")).granite,
  lfm2: async () => (await import("./lfm2.ts")).lfm2,
  llama: async () => (await import("./llama.ts")).llama,
  mistral: async () => (await import("./mistral.ts")).mistral,
  mixtral: async () => (await import("./mixtral.ts")).mixtral,
  modernbert: async () => (await import("./modernBert.ts")).modernBert,
  olmo2: async () => (await import("./olmo2.ts")).olmo2,
  phi3: async () => (await import("./phi3.ts")).phi3,
  qwen2: async () => (await import("./qwen2.ts")).qwen2,
  qwen2_moe: async () => (await import("./qwen2Moe.ts")).qwen2Moe,
  qwen3: async () => (await import("./qwen3.ts")).qwen3,
  roberta: async () => (await import("./roberta.ts")).roberta,
  smollm3: async () => (await import("./smollm3.ts")).smollm3,
  stablelm: async () => (await import("./stablelm.ts")).stablelm,
};
