import { Generator } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters, Tokenizer } from "@lowrank/models";

/**
 * Vocabulary without the end of text: the space and printable ASCII as in byte-level tokenizers, and the two bytes of
 * "é".
 */
const characters = ["Ġ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ã", "©"];

/** Id of the end-of-text token. */
const eosTokenId = characters.length;

/** Returns a tokenizer with one token per printable ASCII character, and a plain chat template. */
export function tinyTokenizer(): Tokenizer {
  const vocab = Object.fromEntries(characters.map((character, id) => [character, id]));
  return new Tokenizer({
    label: "tiny",
    tokenizerJson: {
      added_tokens: [{ id: eosTokenId, content: "</s>", special: true }],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab, merges: [] },
    },
    tokenizerConfig: { eos_token: "</s>" },
    chatTemplate:
      "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
  });
}

/** Sizes of a random Llama. */
export interface TinySizes {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
}

/** Sizes of a model that is fast on every backend. */
export const tinySizes: TinySizes = {
  ...{ hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
};

/** Sizes of stories260K. */
export const storiesSizes: TinySizes = {
  ...{ hidden_size: 64, intermediate_size: 172, num_hidden_layers: 5, num_attention_heads: 8, num_key_value_heads: 4 },
};

/** Returns a random Llama with the tiny tokenizer's vocabulary, on the default backend. */
export function tinyLlama(sizes: TinySizes = tinySizes, maxPositions = 64): CausalLM {
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: eosTokenId + 1, max_position_embeddings: maxPositions, ...sizes },
    ...{ eos_token_id: eosTokenId, tie_word_embeddings: false },
  });
  return createModel(config, randomParameters(new Generator(5))).eval() as CausalLM;
}

/** Configs of small models whose layers have different kinds of caches. */
const unlikeLayers: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  lfm2: { layer_types: ["conv", "full_attention", "conv"], conv_L_cache: 3 },
  gemma4_text: {
    ...{ layer_types: ["sliding_attention", "full_attention", "full_attention"], num_kv_shared_layers: 1 },
    ...{ head_dim: 4, global_head_dim: 8, sliding_window: 5 },
    ...{ hidden_size_per_layer_input: 3, vocab_size_per_layer_input: eosTokenId + 1 },
  },
};

/** Returns a random model of one of `unlikeLayers`, with clearly different logits. */
export function unlikeModel(modelType: string): CausalLM {
  const config = parseModelConfig({
    ...{ model_type: modelType, vocab_size: eosTokenId + 1, max_position_embeddings: 64, ...tinySizes },
    ...{ eos_token_id: eosTokenId, num_hidden_layers: 3, ...unlikeLayers[modelType] },
  });
  const draw = randomParameters(new Generator(5));
  const wide = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.3 } : start));
  return wide.eval() as CausalLM;
}
