/**
 * For each `modelType`, a function that imports this built-in architecture. With these, a web page downloads only the
 * architecture that it uses. In contrast, `architectures.ts` imports all of them.
 */
export const architectureLoaders: Readonly<Record<string, () => Promise<unknown>>> = {
  bert: async () => (await import("../architectures/bert/model.ts")).bert,
  "deberta-v2": async () => (await import("../architectures/deberta-v2/model.ts")).debertaV2,
  distilbert: async () => (await import("../architectures/distilbert/model.ts")).distilBert,
  gemma2: async () => (await import("../architectures/gemma2/model.ts")).gemma2,
  gemma3_text: async () => (await import("../architectures/gemma3_text/model.ts")).gemma3Text,
  gemma4_text: async () => (await import("../architectures/gemma4_text/model.ts")).gemma4Text,
  gpt2: async () => (await import("../architectures/gpt2/model.ts")).gpt2,
  gpt_neox: async () => (await import("../architectures/gpt_neox/model.ts")).gptNeoX,
  granite: async () => (await import("../architectures/granite/model.ts")).granite,
  lfm2: async () => (await import("../architectures/lfm2/model.ts")).lfm2,
  llama: async () => (await import("../architectures/llama/model.ts")).llama,
  mistral: async () => (await import("../architectures/mistral/model.ts")).mistral,
  mixtral: async () => (await import("../architectures/mixtral/model.ts")).mixtral,
  modernbert: async () => (await import("../architectures/modernbert/model.ts")).modernBert,
  olmo2: async () => (await import("../architectures/olmo2/model.ts")).olmo2,
  phi3: async () => (await import("../architectures/phi3/model.ts")).phi3,
  qwen2: async () => (await import("../architectures/qwen2/model.ts")).qwen2,
  qwen2_moe: async () => (await import("../architectures/qwen2_moe/model.ts")).qwen2Moe,
  qwen3: async () => (await import("../architectures/qwen3/model.ts")).qwen3,
  roberta: async () => (await import("../architectures/roberta/model.ts")).roberta,
  smollm3: async () => (await import("../architectures/smollm3/model.ts")).smollm3,
  stablelm: async () => (await import("../architectures/stablelm/model.ts")).stablelm,
};
