// The architectures that are known from the start, a line each. The key is of no matter;
// their `modelType` names them.
export { bert } from "./bert.ts";
export { debertaV2 } from "./debertaV2.ts";
export { gpt2 } from "./gpt2.ts";
export { llama } from "./llama.ts";
export { mistral } from "./mistral.ts";
export { qwen2 } from "./qwen2.ts";
export { roberta } from "./roberta.ts";
