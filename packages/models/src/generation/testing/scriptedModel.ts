import { Generator } from "@lowrank/core";
import type { CausalLM } from "../../model/causalLM.ts";
import { randomParameters } from "../../model/parameters.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import { byteLevelJson } from "../../tokenizer/testing/byteLevelJson.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { LogitsProcessor } from "../settings/processing.ts";

/** Tokens of one or two letters, the four bytes of the emoji U+1F600 as byte-level letters, and EOS. */
const vocab: readonly string[] = ["a", "b", "c", "d", "ab", "cd", "ð", "Ł", "ĺ", "Ģ", "Ġ", ":", "<eos>"];

export const eos: number = vocab.indexOf("<eos>");

export const tokenizer: Tokenizer = new Tokenizer({
  tokenizerJson: { ...byteLevelJson(vocab), added_tokens: [{ id: eos, content: "<eos>", special: true }] },
  tokenizerConfig: { eos_token: "<eos>" },
  chatTemplate:
    "{% for m in messages %}{{ m.role[0] | replace('u', 'b') }}:{{ m.content }}{% endfor %}{% if add_generation_prompt %}a:{% endif %}",
});

/** The same tokenizer, but `encode` puts EOS before a text if it adds special tokens. */
export const prefixingTokenizer: Tokenizer = new Tokenizer({
  tokenizerJson: {
    ...byteLevelJson(vocab),
    added_tokens: [{ id: eos, content: "<eos>", special: true }],
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<eos>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      special_tokens: { "<eos>": { id: "<eos>", ids: [eos], tokens: ["<eos>"] } },
    },
  },
  tokenizerConfig: { eos_token: "<eos>" },
  chatTemplate: tokenizer.chatTemplate,
});

export const ids = (...tokens: string[]): number[] => tokens.map((token) => vocab.indexOf(token));

/** Returns a tiny Llama model with this vocabulary and random weights. */
export function tinyModel(): CausalLM {
  const config = parseModelConfig({
    model_type: "llama",
    vocab_size: vocab.length,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 48,
  });
  const draw = randomParameters(new Generator(3));
  return createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.5 } : start)).eval();
}

/** Returns a logits processor that makes each row generate the given tokens, after prompts of `promptLength` tokens. */
export function scripted(promptLength: number, ...rows: readonly (readonly number[])[]): LogitsProcessor {
  return (logits, tokens, row) => {
    const next = rows[row % rows.length][tokens.length - promptLength];
    return logits.fill(0).fill(1, next, next + 1);
  };
}
