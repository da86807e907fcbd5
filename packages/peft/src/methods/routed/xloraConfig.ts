import type { AdapterSource } from "../../config/adapterSource.ts";
import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  isRecord,
  refuse,
  refuseExclusion,
  setOptions,
} from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions } from "../../config/peftConfig.ts";

/** Options of `XLoraConfig`. An option that is omitted has PEFT's default. */
export interface XLoraOptions extends Omit<PeftOptions, "targetModules" | "excludeModules" | "modulesToSave"> {
  /** The width of the model's hidden states, which the classifier reads. Default: 4096. */
  hiddenSize?: number;
  /**
   * The experts: saved LoRA adapters, with the keys "0", "1", ... They are loaded under these names. An adapter that is
   * read from a file ignores the values. Required for a new adapter.
   */
  adapters?: Readonly<Record<string, AdapterSource>>;
  /** True to turn the classifier's outputs into probabilities by a softmax. Default: true. */
  enableSoftmax?: boolean;
  /** True to apply a softmax to the scalings after `topKLora`, among the chosen experts. Default: false. */
  enableSoftmaxTopk?: boolean;
  /** True for own scalings in each layer. False: all layers have the same. Default: false. */
  layerwiseScalings?: boolean;
  /** Number of linear layers of the classifier. Default: 1. */
  xloraDepth?: number;
  /** Width of the classifier's inner layers. Unused with `xloraDepth: 1`. Default: 2048. */
  xloraSize?: number;
  /** Dropout after the classifier's inner layers. Unused with `xloraDepth: 1`. Default: 0.2. */
  xloraDropoutP?: number;
  /** True to train the experts too. Default: false. */
  useTrainableAdapters?: boolean;
  /** Divisor of the softmax's inputs. Above 0. Default: 1. */
  softmaxTemperature?: number;
  /** Number of experts that each token uses. The scalings of the others become zero. Default: null, all. */
  topKLora?: number | null;
  /** The scaling of every expert in the first pass. Default: 0, the base model alone. */
  scalingPassValue?: number;
  /** Factor of the update of every expert. Default: 1. */
  globalScalingWeight?: number;
}

/** Configuration of X-LoRA (Buehler and Buehler 2024, https://arxiv.org/abs/2402.07148). Throws for bad values. */
export class XLoraConfig extends PeftConfig {
  readonly hiddenSize: number = 4096;
  readonly adapters: Readonly<Record<string, AdapterSource>> = {};
  readonly enableSoftmax: boolean = true;
  readonly enableSoftmaxTopk: boolean = false;
  readonly layerwiseScalings: boolean = false;
  readonly xloraDepth: number = 1;
  readonly xloraSize: number = 2048;
  readonly xloraDropoutP: number = 0.2;
  readonly useTrainableAdapters: boolean = false;
  readonly softmaxTemperature: number = 1;
  readonly topKLora: number | null = null;
  readonly scalingPassValue: number = 0;
  readonly globalScalingWeight: number = 1;

  constructor(options: XLoraOptions = {}) {
    super("XLORA", options);
    setOptions(this, options, xloraFormat);
    check(this);
  }
}

function check(config: XLoraConfig): void {
  const { adapters, enableSoftmax, enableSoftmaxTopk, layerwiseScalings, useTrainableAdapters, topKLora } = config;
  refuseExclusion(config);
  for (const field of ["targetModules", "modulesToSave"] as const) {
    if (config[field] !== null) refuse(config, field, config[field], "left out, since the experts name their layers");
  }
  for (const field of ["hiddenSize", "xloraDepth", "xloraSize"] as const) checkInteger(config, field, config[field]);
  checkFlags(config, { enableSoftmax, enableSoftmaxTopk, layerwiseScalings, useTrainableAdapters });
  checkDropout(config, "xloraDropoutP", config.xloraDropoutP);
  for (const field of ["softmaxTemperature", "scalingPassValue", "globalScalingWeight"] as const) {
    checkFinite(config, field, config[field]);
  }
  if (config.softmaxTemperature <= 0) refuse(config, "softmaxTemperature", config.softmaxTemperature, "above 0");
  if (!isRecord(adapters)) refuse(config, "adapters", adapters, 'an object with the keys "0", "1", ...');
  const keys = Object.keys(adapters);
  const wrong = keys.find((key, i) => key !== String(i));
  if (wrong !== undefined) refuse(config, "adapters", keys, 'an object with the keys "0", "1", ..., as in PEFT');
  if (topKLora === null) return;
  checkInteger(config, "topKLora", topKLora);
  if (keys.length > 0 && topKLora > keys.length) {
    refuse(config, "topKLora", topKLora, `at most ${keys.length}, the number of adapters`);
  }
}

/** Rules for reading and writing X-LoRA's configuration in adapter_config.json. */
export const xloraFormat: ConfigFormat = {
  classic: [
    "adapters",
    "base_model_name_or_path",
    "enable_softmax",
    "enable_softmax_topk",
    "global_scaling_weight",
    "hidden_size",
    "layerwise_scalings",
    "revision",
    "scaling_pass_value",
    "softmax_temperature",
    "task_type",
    "top_k_lora",
    "use_trainable_adapters",
    "xlora_depth",
    "xlora_dropout_p",
    "xlora_size",
  ],
  floats: ["global_scaling_weight", "scaling_pass_value", "softmax_temperature", "xlora_dropout_p"],
  refused: {},
  ignored: {},
};
