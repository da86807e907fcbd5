import { names } from "./pattern.ts";

/**
 * The modules that (IA)³ scales by default, by `model_type`. `outputs` names modules whose output is scaled, `inputs`
 * names modules whose input is scaled.
 */
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

/** The modules that (IA)³ adapts by default, by `model_type`, as in PEFT. */
export const ia3Targets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [outputs, inputs]]) => [type, names(`${outputs} ${inputs}`.trim())]),
);

/** The feed-forward modules among `ia3Targets`, whose input is scaled instead of their output. */
export const ia3FeedforwardTargets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [, inputs]]) => [type, inputs === "" ? [] : names(inputs)]),
);
