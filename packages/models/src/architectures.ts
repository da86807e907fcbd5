// The architectures that are known from the start, a line each. The key is of no matter;
// their `modelType` names them.
export { bert } from "./bert.ts";
export { debertaV2 } from "./debertaV2.ts";
export { gemma2 } from "./gemma2.ts";
export { gemma3Text } from "./gemma3Text.ts";
export { gpt2 } from "./gpt2.ts";
export { gptNeoX } from "./gptNeoX.ts";
export { granite } from "./granite.ts";
export { llama } from "./llama.ts";
export { mistral } from "./mistral.ts";
export { olmo2 } from "./olmo2.ts";
export { phi3 } from "./phi3.ts";
export { qwen2 } from "./qwen2.ts";
export { qwen3 } from "./qwen3.ts";
export { roberta } from "./roberta.ts";
export { smollm3 } from "./smollm3.ts";
export { stablelm } from "./stablelm.ts";
