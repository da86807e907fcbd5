import { names, queryAndValue } from "./names.ts";

/** The default targets of VB-LoRA. */
export const vbloraTargets: Readonly<Record<string, readonly string[]>> = {
  t5: names("q k v o wi wo"),
  mt5: names("q k v o wi_0 wi_1 wo"),
  bart: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  gpt2: names("c_attn"),
  bloom: names("query_key_value"),
  opt: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  gptj: queryAndValue,
  gpt_neox: names("query_key_value"),
  gpt_neo: queryAndValue,
  llama: queryAndValue,
  llama4: queryAndValue,
  bert: names("query value"),
  roberta: names("query value"),
  "deberta-v2": names("query_proj key_proj value_proj dense"),
  gpt_bigcode: names("c_attn"),
  deberta: names("in_proj"),
  gemma: queryAndValue,
  gemma2: queryAndValue,
  gemma3_text: queryAndValue,
  qwen2: queryAndValue,
  qwen3: queryAndValue,
  nemotron_h: names("q_proj k_proj v_proj o_proj"),
};
