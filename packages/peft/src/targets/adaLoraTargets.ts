import { attentionTargets } from "./attentionTargets.ts";
import { names } from "./pattern.ts";

/** Model types for which PEFT defines default targets for LoRA but not for AdaLoRA. */
const withoutAdaLora = names("xlm-roberta electra mpt falcon mistral mixtral stablelm phi");

/** The modules that AdaLoRA adapts by default, by `model_type`, as in PEFT. */
export const adaLoraTargets: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(attentionTargets).filter(([type]) => !withoutAdaLora.includes(type))),
  t5: names("q k v o wi wo"),
  mt5: names("q k v o wi_0 wi_1 wo"),
  bart: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  opt: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  roberta: names("query key value dense"),
  "deberta-v2": names("query_proj key_proj value_proj dense"),
};
