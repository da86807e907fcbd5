const names = (list: string): readonly string[] => list.split(" ");

const queryAndValue = names("q_proj v_proj");

/** The default targets of LoRA and its kin, by `model_type`, as in PEFT. */
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

/** Targets of (IA)³: those whose output is scaled, then those whose input is. */
const ia3Pairs: Readonly<Record<string, readonly [outputs: string, inputs: string]>> = {
  t5: ["k v", "wo"],
  mt5: ["k v wi_1", ""],
  gpt2: ["c_attn", "mlp.c_proj"],
  bloom: ["query_key_value", "mlp.dense_4h_to_h"],
  roberta: ["key value", "output.dense"],
  opt: ["q_proj k_proj", "fc2"],
  gptj: ["q_proj v_proj", "fc_out"],
  gpt_neox: ["query_key_value", "dense_4h_to_h"],
  gpt_neo: ["q_proj v_proj", "c_proj"],
  bart: ["q_proj v_proj", "fc2"],
  gpt_bigcode: ["c_attn", "mlp.c_proj"],
  llama: ["k_proj v_proj", "down_proj"],
  llama4: ["q_proj v_proj", "down_proj"],
  mistral: ["k_proj v_proj", "down_proj"],
  mixtral: ["k_proj v_proj", "w2"],
  bert: ["key value", "output.dense"],
  "deberta-v2": ["key_proj value_proj", "output.dense"],
  deberta: ["in_proj", "output.dense"],
  RefinedWebModel: ["query_key_value", "dense_4h_to_h"],
  RefinedWeb: ["query_key_value", "dense_4h_to_h"],
  falcon: ["query_key_value", "dense_4h_to_h"],
  phi: ["q_proj v_proj", "fc2"],
  gemma: ["q_proj v_proj", "down_proj"],
  gemma2: ["q_proj v_proj", "down_proj"],
  gemma3_text: ["q_proj v_proj", "down_proj"],
  qwen2: ["q_proj v_proj", "down_proj"],
  qwen3: ["q_proj v_proj", "down_proj"],
};

/** The default targets of (IA)³, by `model_type`, as in PEFT. */
export const ia3Targets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [outputs, inputs]]) => [type, names(`${outputs} ${inputs}`.trim())]),
);

/** The feed-forward modules among them. */
export const ia3FeedforwardTargets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [, inputs]]) => [type, inputs === "" ? [] : names(inputs)]),
);

/** The default targets of LN tuning. */
export const normTargets: Readonly<Record<string, readonly string[]>> = {
  llama: names("input_layernorm post_attention_layernorm norm"),
  bloom: names("input_layernorm post_attention_layernorm ln_f"),
  llava: names("multi_modal_projector input_layernorm post_attention_layernorm norm embed_tokens lm_head"),
  t5: names("layer_norm final_layer_norm"),
  mt5: names("layer_norm final_layer_norm"),
  bart: names("self_attn_layer_norm encoder_attn_layer_norm final_layer_norm"),
  gpt2: names("ln_1 ln_2 ln_f"),
  "blip-2": names("layernorm LayerNorm final_layer_norm self_attn_layer_norm"),
  gptj: names("ln_1 ln_f"),
  falcon: names("input_layernorm post_attention_layernorm ln_f"),
  mistral: names("input_layernorm post_attention_layernorm norm"),
  phi: names("input_layernorm final_layernorm"),
  gemma: names("input_layernorm post_attention_layernorm norm"),
  gemma2: names("input_layernorm post_attention_layernorm pre_feedforward_layernorm post_feedforward_layernorm norm"),
  gemma3_text: names(
    "input_layernorm post_attention_layernorm pre_feedforward_layernorm post_feedforward_layernorm norm",
  ),
  qwen2: names("post_attention_layernorm"),
  qwen3: names("post_attention_layernorm"),
};

/** The default targets of VeRA. */
export const veraTargets: Readonly<Record<string, readonly string[]>> = { ...attentionTargets, phi: queryAndValue };

/** Model types for which AdaLoRA has no default, though LoRA has one. */
const withoutAdaLora = names("xlm-roberta electra mpt falcon mistral mixtral stablelm phi");

/** The default targets of AdaLoRA. */
export const adaLoraTargets: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(attentionTargets).filter(([type]) => !withoutAdaLora.includes(type))),
  t5: names("q k v o wi wo"),
  mt5: names("q k v o wi_0 wi_1 wo"),
  bart: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  opt: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  roberta: names("query key value dense"),
  "deberta-v2": names("query_proj key_proj value_proj dense"),
};

/** The default targets of FourierFT. */
export const fourierftTargets: Readonly<Record<string, readonly string[]>> = {
  ...attentionTargets,
  gpt2: names("mlp.c_proj"),
  gpt_bigcode: names("mlp.c_proj"),
};

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
