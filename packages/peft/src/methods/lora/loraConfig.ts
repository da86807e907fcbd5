import { checkOptions, keysOf } from "@lowrank/core/internal";
import {
  checkDropout,
  checkFinite,
  checkFlags,
  checkInteger,
  checkOneOf,
  checkPattern,
  refuse,
  setOptions,
} from "../../config/checks.ts";
import { LayerPeftConfig, type LayerPeftOptions, layerFields } from "../../config/layerPeftConfig.ts";
import type { ConfigFormat, LayerRanges } from "../../config/peftConfig.ts";

/**
 * Initialisation of A and B of linear layers. True: as in the paper (B zero). False: both random, so that outputs
 * change. "gaussian": B zero, A from N(0, 1/r²). "orthogonal": A and B from orthogonal subspaces (r must be even).
 * "eva": A from the layers' inputs on training data; call `initializeLoraEvaWeights`. "mica": A zero, B from the
 * smallest singular vectors of the weight, and only A is trained.
 *
 * Three initialisations change base weights permanently. "pissa" uses the largest singular values ("pissa_niter_[n]"
 * approximates them faster), "olora" the first part of the QR decomposition; both subtract the initial B A. "loftq"
 * uses the quantisation error of NF4 or of 8-bit integers, and base weights become the quantised values.
 *
 * Two initialisations measure the model first, and also subtract the initial B A from the base weights: "lora_ga" uses
 * gradients (call `preprocessLoraGa`), "corda" the covariances of the layers' inputs (call `preprocessCorda`).
 */
export type InitLoraWeights = boolean | string;

/** Options of the LoftQ initialisation, like PEFT's LoftQConfig. */
export interface LoftQConfig {
  /** Bits per quantised weight: 4 for NF4, 8 for integers with a scale for each row of the weight. */
  readonly loftqBits: number;
  /** Number of times that quantisation and factorisation alternate. */
  readonly loftqIter: number;
}

/** Options of the EVA initialisation, like PEFT's EvaConfig. */
export interface EvaConfig {
  /** A layer's maximum rank, as a multiple of its configured rank. At least 1. */
  readonly rho: number;
  /**
   * In PEFT, measuring stops when the components of successive batches are this similar. Has no effect here, since
   * Lowrank measures all batches. It is only read from and written to adapter_config.json.
   */
  readonly tau: number;
  /** True to ignore tokens whose label is `labelMaskValue`. */
  readonly useLabelMask: boolean;
  readonly labelMaskValue: number;
  /** True to divide each direction in A by the square root of its singular value. */
  readonly whiten: boolean;
  /** True to change a layer's alpha together with its rank, so that its scaling alpha / r stays the same. */
  readonly adjustScalingFactors: boolean;
}

/** Options of the LoRA-GA initialisation, like PEFT's LoraGAConfig. */
export interface LoraGAConfig {
  /**
   * The singular vectors of the gradient, among the first 2 r, that A and B get. "ArB2r": A the first r, B the others.
   * "A2rBr": B the first r, A the others. "ArBr": A and B alternate. "random": the same r random ones for both.
   * Default: "ArB2r".
   */
  readonly direction: "ArBr" | "A2rBr" | "ArB2r" | "random";
  /**
   * Size of A and B. "stable": B times the fourth root of the number of outputs, divided by √`stableGamma`.
   * "weight_svd": B as large as the weight. "gd_scale": A and B divided by the adapter's scaling. "unit": unchanged.
   * Default: "stable".
   */
  readonly scale: "stable" | "weight_svd" | "gd_scale" | "unit";
  /** Divisor of the "stable" scale. Above 0. Default: 16. */
  readonly stableGamma: number;
}

/** Options of the CorDA initialisation, like PEFT's CordaConfig. */
export interface CordaConfig {
  /**
   * "ipm": A and B get the r largest components of the weight times the covariance of its inputs, to learn the task of
   * the measured data. "kpm": the r smallest, to keep the knowledge that the data needs. Default: "ipm".
   */
  readonly cordaMethod: "ipm" | "kpm";
  /** Path of PEFT's file with components. It is only kept for adapter_config.json. Default: null. */
  readonly cacheFile: string | null;
  /**
   * Path of PEFT's file with covariances. It is only kept for adapter_config.json; here, pass `covariances` to
   * `preprocessCorda`. Default: null.
   */
  readonly covarianceFile: string | null;
  /** True if PEFT shows its progress. Ignored here. Default: false. */
  readonly verbose: boolean;
  /**
   * True if PEFT adds up the covariances of half-precision inputs in half precision. Ignored here, since layers compute
   * in f32. Default: false.
   */
  readonly useFloat16ForCovariance: boolean;
  /** True if PEFT deletes temporary fields of layers. Ignored here. Default: true. */
  readonly pruneTemporaryFields: boolean;
}

/** Options of BD-LoRA, like PEFT's BdLoraConfig. */
export interface BdLoraConfig {
  /** Parts of paths. A layer whose path contains one of them has a block-diagonal A. Default: null. */
  readonly targetModulesBdA: readonly string[] | null;
  /** Parts of paths. A layer whose path contains one of them has a block-diagonal B. Default: null. */
  readonly targetModulesBdB: readonly string[] | null;
  /** Number of blocks of a factor. Must divide the rank, and the inputs (A) or outputs (B) of the layer. Default: 1. */
  readonly nblocks: number;
  /** False if layers may match no name; these layers have plain LoRA. Default: true. */
  readonly matchStrict: boolean;
}

const bdloraDefaults: BdLoraConfig = {
  targetModulesBdA: null,
  targetModulesBdB: null,
  nblocks: 1,
  matchStrict: true,
};

/** Options of VeLoRA, like PEFT's VeloraConfig. */
export interface VeloraConfig {
  /** Number of groups into which an input is cut. More groups: better gradients, and more memory. Default: 64. */
  readonly numGroups: number;
  /** Factor of the inputs that are computed from the groups in the backward pass. Above 0. Default: 1. */
  readonly scale: number;
  /**
   * Direction along which groups are kept. "batch_average": their mean in each batch. "batch_average_once": their mean
   * in the first batch. "random": drawn at the start. Default: "batch_average".
   */
  readonly initType: "batch_average" | "batch_average_once" | "random";
}

/** Options of KaSA, like PEFT's KasaConfig. */
export interface KasaConfig {
  /** Weight of the squared diagonal in the training loss. At least 0. Default: 1e-4. */
  readonly beta: number;
  /** Weight in the training loss of the distances of A Aᵀ and Bᵀ B from the identity. At least 0. Default: 1e-3. */
  readonly gamma: number;
}

/** Options of MonteCLoRA, like PEFT's MontecloraConfig. */
export interface MontecloraConfig {
  /** Number of samples in a forward pass. Default: 8. */
  readonly numSamples: number;
  /** True to add the sum of the samples' squared weights to the training loss. Default: false. */
  readonly useEntropy: boolean;
  /** Parameter of the prior Dirichlet distribution of the samples' weights. Above 0. Default: 0.1. */
  readonly dirichletPrior: number;
  /** Factor of the samples' deviations from A. Default: 1e-4. */
  readonly sampleScaler: number;
  /** Weight in the training loss of the distributions' distances from their priors. Default: 1e-5. */
  readonly klLossWeight: number;
  /** Number of samples that PEFT draws in advance. It has no effect here and is only kept for files. Default: 150. */
  readonly bufferSize: number;
}

/** Options of an Arrow router, like PEFT's ArrowConfig. `createArrowModel` makes one. */
export interface ArrowConfig {
  /** Number of experts that each token gets. Default: 3. */
  readonly topK: number;
  /** Divisor of the similarities of tokens and experts before the softmax. Above 0. Default: 1. */
  readonly routerTemperature: number;
  /** True to subtract the average of the adapters `gksAdapterNames` from the experts. Default: false. */
  readonly useGks: boolean;
  /** Names of the adapters of the tasks. Only kept for adapter_config.json. Default: null. */
  readonly taskAdapterNames: readonly string[] | null;
  /** Names of the general adapters. Default: null. */
  readonly gksAdapterNames: readonly string[] | null;
  /** Seed of PyTorch's generator that starts the iterations for prototypes. Default: null, the adapter's generator. */
  readonly rngSeed: number | null;
}

const variantDefaults = {
  useBdlora: bdloraDefaults,
  veloraConfig: { numGroups: 64, scale: 1, initType: "batch_average" },
  kasaConfig: { beta: 1e-4, gamma: 1e-3 },
  montecloraConfig: {
    numSamples: 8,
    useEntropy: false,
    dirichletPrior: 0.1,
    sampleScaler: 1e-4,
    klLossWeight: 1e-5,
    bufferSize: 150,
  },
  arrowConfig: {
    topK: 3,
    routerTemperature: 1,
    useGks: false,
    taskAdapterNames: null,
    gksAdapterNames: null,
    rngSeed: null,
  },
} as const;

const evaDefaults: EvaConfig = {
  rho: 2,
  tau: 0.99,
  useLabelMask: true,
  labelMaskValue: -100,
  whiten: false,
  adjustScalingFactors: true,
};

const loftqDefaults: LoftQConfig = { loftqBits: 4, loftqIter: 1 };

const cordaDefaults: CordaConfig = {
  cordaMethod: "ipm",
  cacheFile: null,
  covarianceFile: null,
  verbose: false,
  useFloat16ForCovariance: false,
  pruneTemporaryFields: true,
};

/** Options of initialisations: the value of `initLoraWeights` that uses each, and its defaults. */
const startOptions = {
  loftqConfig: ["loftq", loftqDefaults],
  evaConfig: ["eva", evaDefaults],
  cordaConfig: ["corda", cordaDefaults],
  loraGaConfig: ["lora_ga", { direction: "ArB2r", scale: "stable", stableGamma: 16 }],
} as const;

/**
 * Options of `LoraConfig`. An option that is omitted has PEFT's default, since adapter files rely on these defaults.
 * The command `lowrank train` has other defaults for `loraAlpha` (2 r) and `targetModules` ("all-linear"; here PEFT's
 * targets for the architecture). docs/choosing.md has the reasons.
 */
export interface LoraOptions extends LayerPeftOptions {
  /** The rank. Default: 8. */
  r?: number;
  /**
   * Alpha in the scaling of B A: alpha / r, or alpha / √r with `useRslora`. Default: 8, as in PEFT. `lowrank train`
   * uses 2 r instead (16 with `useRslora`).
   */
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
  /**
   * Scales by alpha / √r instead of alpha / r (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732). Default: false.
   */
  useRslora?: boolean;
  initLoraWeights?: InitLoraWeights;
  /** Uses DoRA, which trains the length of each weight row separately from its direction. Default: false. */
  useDora?: boolean;
  /** Options of LoftQ, which other initialisations ignore. Default: 4 bits, 1 iteration. */
  loftqConfig?: Partial<LoftQConfig>;
  /**
   * Options of EVA. Allowed only with `initLoraWeights: "eva"`. Default: rho 2, tau 0.99, tokens with label -100
   * ignored, alphas adjusted.
   */
  evaConfig?: Partial<EvaConfig> | null;
  /** Options of CorDA. Allowed only with `initLoraWeights: "corda"`. Default: the method "ipm". */
  cordaConfig?: Partial<CordaConfig> | null;
  /** Options of LoRA-GA. Allowed only with `initLoraWeights: "lora_ga"`. Default: "ArB2r", "stable", 16. */
  loraGaConfig?: Partial<LoraGAConfig> | null;
  /**
   * Ranks for modules that need another rank than `r`. A key is a regular expression for a module's path, or for the
   * last components of a path, such as a module's name.
   */
  rankPattern?: Readonly<Record<string, number>>;
  /** Alphas for modules that need another alpha than `loraAlpha`, with keys as in `rankPattern`. */
  alphaPattern?: Readonly<Record<string, number>>;
  /** True if B also has a trained bias. Default: false. */
  loraBias?: boolean;
  /** Uses BD-LoRA, in which a factor of each layer is block-diagonal. Default: null, no block-diagonal factors. */
  useBdlora?: Partial<BdLoraConfig> | null;
  /** Uses VeLoRA, whose backward pass keeps compressed inputs. Default: null, the inputs themselves. */
  veloraConfig?: Partial<VeloraConfig> | null;
  /** Uses KaSA, which removes the smallest singular values of base weights, and trains a diagonal. Default: null. */
  kasaConfig?: Partial<KasaConfig> | null;
  /** Uses MonteCLoRA, which samples A in training. Default: null, no samples. */
  montecloraConfig?: Partial<MontecloraConfig> | null;
  /** Makes the adapter an Arrow router, which mixes the other adapters of the model. Default: null. */
  arrowConfig?: Partial<ArrowConfig> | null;
  /**
   * Makes the adapter an aLoRA: it acts only on the tokens from the last occurrence of these token ids in each sequence
   * on. Before them, keys and values are the base model's. Requires `taskType: "CAUSAL_LM"`. Default: null, all tokens.
   */
  aloraInvocationTokens?: readonly number[] | null;
  /**
   * Ids of tokens whose embeddings are also trained. An array applies to the input embedding and an output layer tied
   * to it; an object gives an array for each module name.
   */
  trainableTokenIndices?: readonly number[] | Readonly<Record<string, readonly number[]>> | null;
  /**
   * Ranges of layers [start, end), from 0, which replace the model's layers, stacked one after the other. A layer that
   * occurs several times has its own adapter each time, and the weights are shared. Default: null, the model's layers.
   */
  layerReplication?: LayerRanges | null;
  /**
   * Parameters to adapt, by the end of their path in transformers: stacked weights of routed experts, such as
   * "experts.down_proj", and weights of linear layers, such as "gate.weight". Default: null, no parameters. On models
   * with experts, modules are then adapted only if `targetModules` names them.
   */
  targetParameters?: readonly string[] | null;
  /**
   * True: an output layer with the weight of the input embedding is adapted together with it. If `targetModules` names
   * `embed_tokens` or `lm_head`, the output layer uses the embedding's factors, transposed. If `modulesToSave` names
   * one of them, both modules train one weight. Default: false.
   */
  ensureWeightTying?: boolean;
}

/** Configuration of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685). Throws for values out of range. */
export class LoraConfig extends LayerPeftConfig {
  readonly r: number = 8;
  readonly loraAlpha: number = 8;
  readonly loraDropout: number = 0;
  readonly fanInFanOut: boolean = false;
  readonly bias: "none" | "all" | "lora_only" = "none";
  readonly useRslora: boolean = false;
  readonly initLoraWeights: InitLoraWeights = true;
  readonly useDora: boolean = false;
  /** Empty unless `initLoraWeights` is "loftq". */
  readonly loftqConfig: Partial<LoftQConfig> = {};
  /** Null unless `initLoraWeights` is "eva". */
  readonly evaConfig: EvaConfig | null = null;
  /** Null unless `initLoraWeights` is "corda". */
  readonly cordaConfig: CordaConfig | null = null;
  /** Null unless `initLoraWeights` is "lora_ga". */
  readonly loraGaConfig: LoraGAConfig | null = null;
  readonly rankPattern: Readonly<Record<string, number>> = {};
  readonly alphaPattern: Readonly<Record<string, number>> = {};
  readonly loraBias: boolean = false;
  readonly useBdlora: BdLoraConfig | null = null;
  readonly veloraConfig: VeloraConfig | null = null;
  readonly kasaConfig: KasaConfig | null = null;
  readonly montecloraConfig: MontecloraConfig | null = null;
  readonly arrowConfig: ArrowConfig | null = null;
  readonly aloraInvocationTokens: readonly number[] | null = null;
  readonly trainableTokenIndices: readonly number[] | Readonly<Record<string, readonly number[]>> | null = null;
  readonly layerReplication: LayerRanges | null = null;
  readonly targetParameters: readonly string[] | null = null;
  readonly ensureWeightTying: boolean = false;

  constructor(options: LoraOptions = {}) {
    super("LORA", options);
    setOptions(this, options, loraFormat);
    // PEFT users can prepare a file for loading by changing its initialisation; options of the old initialisation then
    // remain and are ignored.
    for (const [key, [init, defaults]] of Object.entries(startOptions)) {
      const given = Reflect.get(options, key) ?? {};
      if (options.initLoraWeights === undefined && Object.keys(given).length > 0) {
        throw new Error(
          `LoraConfig: ${key} is given without initLoraWeights: "${init}"; add initLoraWeights, or leave ${key} out`,
        );
      }
      const used = this.initLoraWeights === init;
      if (used) checkOptions(`LoraConfig: ${key}`, given, keysOf(defaults));
      Reflect.set(this, key, used ? { ...defaults, ...given } : key === "loftqConfig" ? {} : null);
    }
    for (const [key, defaults] of Object.entries(variantDefaults)) {
      const given: object | null = Reflect.get(this, key) || null;
      if (given) checkOptions(`LoraConfig: ${key}`, given, keysOf(defaults));
      Reflect.set(this, key, given && { ...defaults, ...given });
    }
    check(this);
  }
}

function check(config: LoraConfig): void {
  const {
    r,
    loraAlpha,
    loraDropout,
    bias,
    rankPattern,
    alphaPattern,
    useRslora,
    useDora,
    loraBias,
    ensureWeightTying,
  } = config;
  checkInteger(config, "r", r);
  checkPattern(config, "rankPattern", rankPattern, checkInteger);
  checkFinite(config, "loraAlpha", loraAlpha);
  checkPattern(config, "alphaPattern", alphaPattern, checkFinite);
  checkDropout(config, "loraDropout", loraDropout);
  checkOneOf(config, "bias", bias, ["none", "all", "lora_only"]);
  checkFlags(config, { useRslora, useDora, loraBias, ensureWeightTying });
  checkStart(config);
  if (config.loraBias && config.useDora) refuse(config, "loraBias", true, "false with useDora");
}

function checkStart(config: LoraConfig): void {
  const { initLoraWeights: init, r, rankPattern, loraBias } = config;
  if (typeof init === "boolean") return;
  if (!/^(gaussian|orthogonal|pissa(_niter_\d+)?|olora|loftq|eva|mica|corda|lora_ga)$/.test(init)) {
    const known =
      'true, false, "gaussian", "orthogonal", "pissa", "pissa_niter_[n]", "olora", "loftq", "eva", "mica", "corda" or "lora_ga"';
    refuse(config, "initLoraWeights", init, known);
  }
  if (loraBias) refuse(config, "initLoraWeights", init, (named) => `true or false with ${named("loraBias")}`);
  for (const rank of init === "orthogonal" ? [r, ...Object.values(rankPattern)] : []) {
    if (rank % 2 !== 0) refuse(config, "r", rank, 'even with initLoraWeights: "orthogonal"');
  }
  if (init === "mica" && config.useDora) refuse(config, "useDora", true, 'false with initLoraWeights: "mica"');
  if (init === "loftq") checkLoftq(config);
  if (init === "eva") checkEva(config);
}

function checkEva(config: LoraConfig): void {
  const { rho, tau } = config.evaConfig!;
  if (!(rho >= 1)) refuse(config, "evaConfig.rho", rho, "at least 1");
  if (!(tau >= 0 && tau <= 1)) refuse(config, "evaConfig.tau", tau, "from 0 to 1");
}

function checkLoftq(config: LoraConfig): void {
  const { loftqBits, loftqIter } = config.loftqConfig as LoftQConfig;
  checkOneOf(config, "loftqConfig.loftqBits", loftqBits, [4, 8]);
  checkInteger(config, "loftqConfig.loftqIter", loftqIter);
}

/** Rules for reading and writing LoRA's configuration in adapter_config.json. */
export const loraFormat: ConfigFormat = {
  classic: [
    ...layerFields,
    "alpha_pattern",
    "bias",
    "fan_in_fan_out",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "r",
    "rank_pattern",
  ],
  floats: ["lora_dropout"],
  nested: [
    "arrow_config",
    "corda_config",
    "eva_config",
    "kasa_config",
    "loftq_config",
    "lora_ga_config",
    "monteclora_config",
    "use_bdlora",
    "velora_config",
  ],
  refused: {
    megatron_config: null,
    use_qalora: false,
  },
  ignored: {
    megatron_core: "megatron.core",
    qalora_group_size: 16,
  },
};
