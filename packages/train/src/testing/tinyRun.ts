import { Generator } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import type { AnyExample } from "../data/batches/collateAny.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
});
/** Twelve examples of four and five tokens. */
export const examples: readonly AnyExample[] = Array.from({ length: 12 }, (_, i) => {
  const inputIds = Array.from({ length: 4 + (i % 2) }, (_, t) => 1 + ((i + t) % 9));
  return { inputIds, labels: [...inputIds] };
});

/** Makes a one-layer Llama on the backend of `init`. */
export function tinyLlama(): CausalLM {
  return createModel(config, randomParameters(new Generator(5))) as CausalLM;
}
