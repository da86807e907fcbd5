import { attentionTargets } from "./attentionTargets.ts";
import { names } from "./names.ts";

/** Model types for which LoRA has default targets but AdaLoRA has none. */
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
