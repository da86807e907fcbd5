// All built-in architectures, one per line. The export names do not matter, since an architecture is found by its
// `modelType`.
export { bert } from "../architectures/bert/model.ts";
export { debertaV2 } from "../architectures/deberta-v2/model.ts";
export { distilBert } from "../architectures/distilbert/model.ts";
export { gemma2 } from "../architectures/gemma2/model.ts";
export { gemma3Text } from "../architectures/gemma3_text/model.ts";
export { gemma4Text } from "../architectures/gemma4_text/model.ts";
export { gptNeoX } from "../architectures/gpt_neox/model.ts";
export { gpt2 } from "../architectures/gpt2/model.ts";
export { granite } from "../architectures/granite/model.ts";
export { lfm2 } from "../architectures/lfm2/model.ts";
export { llama } from "../architectures/llama/model.ts";
export { mistral } from "../architectures/mistral/model.ts";
export { mixtral } from "../architectures/mixtral/model.ts";
export { modernBert } from "../architectures/modernbert/model.ts";
export { olmo2 } from "../architectures/olmo2/model.ts";
export { phi3 } from "../architectures/phi3/model.ts";
export { qwen2 } from "../architectures/qwen2/model.ts";
export { qwen2Moe } from "../architectures/qwen2_moe/model.ts";
export { qwen3 } from "../architectures/qwen3/model.ts";
export { roberta } from "../architectures/roberta/model.ts";
export { smollm3 } from "../architectures/smollm3/model.ts";
export { stablelm } from "../architectures/stablelm/model.ts";
