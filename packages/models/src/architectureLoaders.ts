/**
 * Loads an architecture by its `modelType`, of those that are known from the start. A page that
 * loads a model downloads only that model's; `architectures.ts` has them all at once.
 */
export const architectureLoaders: Readonly<Record<string, () => Promise<unknown>>> = {
  bert: async () => (await import("./bert.ts")).bert,
  "deberta-v2": async () => (await import("./debertaV2.ts")).debertaV2,
  gpt2: async () => (await import("./gpt2.ts")).gpt2,
  llama: async () => (await import("./llama.ts")).llama,
  mistral: async () => (await import("./mistral.ts")).mistral,
  qwen2: async () => (await import("./qwen2.ts")).qwen2,
  roberta: async () => (await import("./roberta.ts")).roberta,
};
