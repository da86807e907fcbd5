const names = (list: string): readonly string[] => list.split(" ");

const queryAndValue = names("q_proj v_proj");

/** Where LoRA and its kin go when no target is given, by `model_type`, as in PEFT. */
export const attentionTargets: Readonly<Record<string, readonly string[]>> = {
  t5: names("q v"),
  mt5: names("q v"),
  bart: queryAndValue,
  gpt2: names("c_attn"),
  bloom: names("query_key_value"),
  opt: queryAndValue,
  gptj: queryAndValue,
  gpt_neox: names("query_key_value"),
  gpt_neo: queryAndValue,
  bert: names("query value"),
  roberta: names("query value"),
  "xlm-roberta": names("query value"),
  electra: names("query value"),
  "deberta-v2": names("query_proj value_proj"),
  deberta: names("in_proj"),
  llama: queryAndValue,
  llama4: queryAndValue,
  gpt_bigcode: names("c_attn"),
  mpt: names("Wqkv"),
  falcon: names("query_key_value"),
  mistral: queryAndValue,
  mixtral: queryAndValue,
  stablelm: queryAndValue,
  phi: names("q_proj v_proj fc1 fc2"),
  gemma: queryAndValue,
  gemma2: queryAndValue,
  gemma3_text: queryAndValue,
  qwen2: queryAndValue,
  qwen3: queryAndValue,
  nemotron_h: names("q_proj k_proj v_proj o_proj"),
};
