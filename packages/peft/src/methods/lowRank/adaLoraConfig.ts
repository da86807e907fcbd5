import {
  checkDropout,
  checkFinite,
  checkInteger,
  checkOneOf,
  isList,
  isRecord,
  refuse,
  setOptions,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat, LayerRanges } from "../../config/peftConfig.ts";

/**
 * For each layer, which of its initial ranks AdaLoRA keeps: an array with one entry per rank, true if the rank is kept.
 * Keyed by the name of the layer's singular values: "model.layers.0.self_attn.q_proj.lora_E".
 */
export type AdaLoraRanks = Readonly<Record<string, readonly boolean[]>>;

/** Options of `AdaLoraConfig`. An option that is omitted has PEFT's default. */
export interface AdaLoraOptions extends LayerPeftOptions {
  /** The average rank per layer at the end of training. Default: 8. */
  targetR?: number;
  /** The initial rank of every layer. Default: 12. */
  initR?: number;
  /** Number of steps at the beginning during which no ranks are cut. Default: 0. */
  tinit?: number;
  /** Number of steps at the end during which ranks do not change. Default: 0. */
  tfinal?: number;
  /** Number of steps from one reallocation of ranks to the next. Default: 1. */
  deltaT?: number;
  /**
   * Decay of the moving average of each parameter's sensitivity (|parameter · gradient|), from 0 to 1. Near 1, the
   * average changes slowly. Default: 0.85.
   */
  beta1?: number;
  /**
   * Decay of the moving average of the uncertainty, from 0 to 1. The uncertainty is the absolute difference between the
   * sensitivity and its moving average. Near 1, the average of the uncertainty changes slowly. Default: 0.85.
   */
  beta2?: number;
  /** Weight of the loss term that penalises non-orthogonal A and B. Default: 0.5. */
  orthRegWeight?: number;
  /** Number of optimiser steps of the whole training, which determines when ranks are cut. Required for training. */
  totalStep?: number | null;
  /** For each layer, which of its initial ranks are kept. Training sets this option. */
  rankPattern?: AdaLoraRanks | null;
  /** Alpha in the scaling alpha / initR. Default: 8. */
  loraAlpha?: number;
  /** Dropout on the input of A during training. Default: 0. */
  loraDropout?: number;
  /**
   * True if the adapted layers store their weights as [in, out]. Lowrank sets this field from the model and uses it
   * only in adapter_config.json.
   */
  fanInFanOut?: boolean;
  /**
   * Biases of the base model that are also trained: "none", "all", or "lora_only" for the biases of adapted layers.
   * Default: "none".
   */
  bias?: "none" | "all" | "lora_only";
  /** True: the new adapter leaves outputs unchanged. False: random initial values. Default: true. */
  initLoraWeights?: boolean;
  /**
   * Ids of tokens whose embeddings are also trained. An array applies to the input embedding and an output layer tied
   * to it; an object gives an array for each module name.
   */
  trainableTokenIndices?: readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /** Ranges of layers, as in `LoraOptions`. Default: null. */
  layerReplication?: LayerRanges | null;
  /**
   * True: an output layer with the weight of the input embedding trains together with it. If `modulesToSave` names
   * `embed_tokens` or `lm_head`, both modules train one weight. Default: false.
   */
  ensureWeightTying?: boolean;
}

/** Configuration of AdaLoRA (Zhang et al. 2023, https://arxiv.org/abs/2303.10512). Throws for values out of range. */
export class AdaLoraConfig extends LayerPeftConfig {
  readonly targetR: number = 8;
  readonly initR: number = 12;
  readonly tinit: number = 0;
  readonly tfinal: number = 0;
  readonly deltaT: number = 1;
  readonly beta1: number = 0.85;
  readonly beta2: number = 0.85;
  readonly orthRegWeight: number = 0.5;
  readonly totalStep: number | null = null;
  readonly rankPattern: AdaLoraRanks | null = null;
  readonly loraAlpha: number = 8;
  readonly loraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: "none" | "all" | "lora_only" = "none";
  readonly initLoraWeights: boolean = true;
  readonly trainableTokenIndices: readonly number[] | Readonly<Record<string, readonly number[]>> | null = null;
  readonly layerReplication: LayerRanges | null = null;
  readonly ensureWeightTying: boolean = false;

  constructor(options: AdaLoraOptions = {}) {
    super("ADALORA", options);
    setOptions(this, options, adaLoraFormat);
    check(this);
  }
}

const isRanks = (value: unknown): boolean => isList(value, (stays) => typeof stays === "boolean");

function check(config: AdaLoraConfig): void {
  const { totalStep, tinit, tfinal, beta1, beta2, orthRegWeight, rankPattern } = config;
  for (const key of ["targetR", "initR", "deltaT"] as const) checkInteger(config, key, config[key]);
  if (rankPattern !== null && !(isRecord(rankPattern) && Object.values(rankPattern).every(isRanks))) {
    refuse(
      config,
      "rankPattern",
      rankPattern,
      "null, or lists of true and false, keyed by the names of the layers' lora_E",
    );
  }
  for (const key of ["tinit", "tfinal"] as const) checkInteger(config, key, config[key], 0);
  for (const [key, beta] of Object.entries({ beta1, beta2 })) {
    if (!(beta > 0 && beta < 1)) refuse(config, key, beta, "between 0 and 1");
  }
  if (!(Number.isFinite(orthRegWeight) && orthRegWeight >= 0))
    refuse(config, "orthRegWeight", orthRegWeight, "at least 0");
  if (totalStep !== null) {
    checkInteger(config, "totalStep", totalStep);
    if (tinit >= totalStep - tfinal)
      refuse(config, "totalStep", totalStep, `more than tinit + tfinal, ${tinit + tfinal}`);
  }
  checkFinite(config, "loraAlpha", config.loraAlpha);
  checkDropout(config, "loraDropout", config.loraDropout);
  checkOneOf(config, "bias", config.bias, ["none", "all", "lora_only"]);
  checkOneOf(config, "initLoraWeights", config.initLoraWeights, [true, false]);
  checkOneOf(config, "ensureWeightTying", config.ensureWeightTying, [true, false]);
}

/**
 * Rules for reading and writing AdaLoRA's configuration in adapter_config.json. The file also contains LoRA's fields,
 * of which AdaLoRA uses only some.
 */
export const adaLoraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "beta1",
    "beta2",
    "bias",
    "deltaT",
    "fan_in_fan_out",
    "init_lora_weights",
    "init_r",
    "lora_alpha",
    "lora_dropout",
    "orth_reg_weight",
    "rank_pattern",
    "target_r",
    "tfinal",
    "tinit",
    "total_step",
  ],
  floats: ["lora_dropout", "beta1", "beta2", "orth_reg_weight"],
  verbatim: ["deltaT"],
  refused: {
    loftq_config: {},
    megatron_config: null,
    target_parameters: null,
    use_dora: false,
  },
  ignored: {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    corda_config: null,
    eva_config: null,
    kasa_config: null,
    lora_bias: false,
    lora_ga_config: null,
    megatron_core: "megatron.core",
    monteclora_config: null,
    qalora_group_size: 16,
    r: 8,
    use_bdlora: null,
    use_qalora: false,
    use_rslora: false,
    velora_config: null,
  },
};
