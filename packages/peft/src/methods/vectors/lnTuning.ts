import { normTargets } from "../../targets/normTargets.ts";
import { modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { LayerCopy } from "../shared/layerCopy.ts";
import { definePeftMethod, type PeftMethod } from "../shared/method.ts";
import { LNTuningConfig, lnTuningFormat } from "./lnTuningConfig.ts";

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
