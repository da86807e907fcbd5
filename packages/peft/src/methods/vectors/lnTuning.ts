import { names } from "../../targets/pattern.ts";
import { modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { LayerCopy } from "../shared/layerCopy.ts";
import { definePeftMethod, type PeftMethod } from "../shared/method.ts";
import { LNTuningConfig, lnTuningFormat } from "./lnTuningConfig.ts";

/** The modules that LN tuning trains by default, by `model_type`. */
const normTargets: Readonly<Record<string, readonly string[]>> = {
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

/**
 * LN tuning: trains only the weights and biases of normalisation layers. Zhao et al. 2023,
 * https://arxiv.org/abs/2312.11420
 */
export const lnTuning: PeftMethod<LNTuningConfig> = definePeftMethod({
  peftType: "LN_TUNING",
  Config: LNTuningConfig,
  format: lnTuningFormat,
  recipes: [{ name: "ln", title: "LN tuning", learningRate: 3e-2, config: () => new LNTuningConfig() }],
  options: [targetsOption, modulesToSaveOption],
  kinds: ["norm", "linear", "conv1d", "embedding"],
  defaultTargets: normTargets,
  mergesAlone: true,
  createLayer: (context) => new LayerCopy(context, ["weight", "bias"], "ln_tuning_layers."),
});
