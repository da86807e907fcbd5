import { Generator } from "@lowrank/core";
import { type CausalLM, createModel, type ModelConfig, parseModelConfig, randomParameters } from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { wordTokenizer } from "./wordTokenizer.ts";

/** Configuration of a Llama with one small layer. */
export const tinyConfig: ModelConfig = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16, pad_token_id: 0 },
});

/** Returns that Llama with random weights. */
export function tinyLlama(): CausalLM {
  return createModel(tinyConfig, randomParameters(new Generator(5)));
}

/** Returns its files by name, with a tokenizer of words. */
export async function tinyFiles(): Promise<Map<string, Uint8Array | string>> {
  return (await modelFileContents(tinyLlama(), tinyConfig)).set("tokenizer.json", wordTokenizer);
}
