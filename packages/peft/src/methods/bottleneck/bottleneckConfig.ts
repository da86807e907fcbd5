import {
  checkDropout,
  checkFlags,
  checkInteger,
  checkOneOf,
  isRecord,
  refuse,
  setOptions,
} from "../../config/checks.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions } from "../../config/peftConfig.ts";

/** Supported activations between the two layers of a bottleneck. */
export const nonLinearities = ["relu", "leakyrelu", "gelu", "gelu_new", "silu", "swish", "tanh", "sigmoid"] as const;

/** Options of `BnConfig`, with AdapterHub's names. */
export interface BnOptions extends Pick<PeftOptions, "baseModelNameOrPath"> {
  /** Adds adapters after attention. Default: false. */
  mhAdapter?: boolean;
  /** Adds adapters after the feed-forward layers. Default: true. */
  outputAdapter?: boolean;
  /**
   * Hidden size divided by bottleneck width. A number applies to all layers. An object gives the value by layer number,
   * with an optional default: { "0": 8, default: 16 }.
   */
  reductionFactor?: number | Readonly<Record<string, number>>;
  nonLinearity?: (typeof nonLinearities)[number];
  /**
   * True: the adapter's input is the sum of the sub-layer's output and the residual, normalised if the block has a norm
   * there. False: the adapter's input is the sub-layer's output. Default: false.
   */
  originalLnBefore?: boolean;
  /**
   * True: adds the block's residual after the adapter, and then applies the block's norm if it has one. False: does
   * neither. Default: true.
   */
  originalLnAfter?: boolean;
  /** Applies an additional, trained norm after the adapter. Default: false. */
  lnAfter?: boolean;
  /**
   * Initialisation. "bert": N(0, 0.02²). "mam_adapter": up projection zero, so the adapter starts as a no-op.
   * "houlsby": N(0, 0.01²), truncated. Default: "bert".
   */
  initWeights?: "bert" | "mam_adapter" | "houlsby";
  /**
   * True: the adapter reads the sub-layer's input, and its result is added to the sub-layer's output. False: the
   * adapter reads the sub-layer's output. Default: false.
   */
  isParallel?: boolean;
  /**
   * Factor by which the adapter's output is multiplied: a number, "learned" (one trained value), or "channel" (one
   * trained value for each channel). Default: 1.
   */
  scaling?: number | "learned" | "channel";
  /**
   * Multiplies the adapter's output by one factor for each sequence: the mean of a trained gate over the sequence's
   * positions. Default: false.
   */
  useGating?: boolean;
  /**
   * Selects the tensor to which the adapter's output is added. True: the sub-layer's output. False: the adapter's
   * input. "post_add": the sum of the sub-layer's output and the residual, before the norm. Without `originalLnBefore`,
   * all values act like true. Default: true.
   */
  residualBeforeLn?: boolean | "post_add";
  /**
   * Determines where the norm of `lnAfter` is applied. True: to the sum of the adapter's output and the tensor that
   * `residualBeforeLn` selects. False: to the adapter's output, before the addition. Default: false.
   */
  adapterResidualBeforeLn?: boolean;
  /** Indices of the layers that get no adapter, from 0. */
  leaveOut?: readonly number[];
  /** Dropout probability during training. Default: 0. */
  dropout?: number;
  /** The adapter's name in its files. Default: "default". */
  name?: string;
  /** The base model's `model_type`. It is read from the model and written to AdapterHub's files. */
  modelType?: string | null;
  /** The name of the base model's class. It is read from the model and written to AdapterHub's files. */
  modelClass?: string | null;
  /** The base model's hidden size. It is read from the model and written to AdapterHub's files. */
  hiddenSize?: number | null;
}

/** Rules for reading and writing the "config" object in AdapterHub's adapter_config.json. */
export const bottleneckFormat: ConfigFormat = {
  classic: [],
  floats: ["scaling", "dropout"],
  refused: {
    ln_before: false,
    inv_adapter: null,
    cross_adapter: false,
    phm_layer: false,
    stochastic_depth: 0,
  },
  ignored: {
    init_weights_seed: null,
    inv_adapter_reduction_factor: null,
    phm_dim: 4,
    factorized_phm_W: true,
    shared_W_phm: false,
    shared_phm_rule: true,
    factorized_phm_rule: false,
    phm_c_init: "normal",
    phm_init_range: 0.0001,
    learn_phm: true,
    hypercomplex_nonlinearity: "glorot-uniform",
    phm_rank: 1,
    phm_bias: true,
  },
};

/**
 * Configuration of bottleneck adapters, like AdapterHub's BnConfig. The subclasses below set common combinations of
 * options.
 */
export class BnConfig extends PeftConfig {
  readonly mhAdapter: boolean = false;
  readonly outputAdapter: boolean = true;
  readonly reductionFactor: number | Readonly<Record<string, number>> = 16;
  readonly nonLinearity: (typeof nonLinearities)[number] = "relu";
  readonly originalLnBefore: boolean = false;
  readonly originalLnAfter: boolean = true;
  readonly lnAfter: boolean = false;
  readonly initWeights: "bert" | "mam_adapter" | "houlsby" = "bert";
  readonly isParallel: boolean = false;
  readonly scaling: number | "learned" | "channel" = 1;
  readonly useGating: boolean = false;
  readonly residualBeforeLn: boolean | "post_add" = true;
  readonly adapterResidualBeforeLn: boolean = false;
  readonly leaveOut: readonly number[] = [];
  readonly dropout: number = 0;
  readonly name: string = "default";
  readonly modelType: string | null = null;
  readonly modelClass: string | null = null;
  readonly hiddenSize: number | null = null;

  constructor(options: BnOptions) {
    super("BOTTLENECK", options);
    setOptions(this, options, bottleneckFormat);
    check(this);
  }
}

function check(config: BnConfig): void {
  const { mhAdapter, outputAdapter, originalLnBefore, originalLnAfter, lnAfter, isParallel, useGating } = config;
  const { reductionFactor, scaling, adapterResidualBeforeLn } = config;
  checkFlags(config, { mhAdapter, outputAdapter, originalLnBefore, originalLnAfter, lnAfter, isParallel, useGating });
  checkFlags(config, { adapterResidualBeforeLn });
  if (!mhAdapter && !outputAdapter) refuse(config, "outputAdapter", false, "true, since mhAdapter is false");
  const factors = isRecord(reductionFactor) ? reductionFactor : { reductionFactor };
  for (const [key, factor] of Object.entries(factors)) {
    if (!(factor > 0 && Number.isFinite(factor)))
      refuse(config, `reductionFactor (${key})`, factor, "a number above 0");
  }
  checkOneOf(config, "nonLinearity", config.nonLinearity, nonLinearities);
  checkOneOf(config, "initWeights", config.initWeights, ["bert", "mam_adapter", "houlsby"]);
  checkOneOf(config, "residualBeforeLn", config.residualBeforeLn, [true, false, "post_add"]);
  if (config.residualBeforeLn === "post_add" && !config.originalLnBefore) {
    refuse(config, "residualBeforeLn", "post_add", "true or false, since originalLnBefore is false");
  }
  if (typeof scaling !== "number") checkOneOf(config, "scaling", scaling, ["learned", "channel"]);
  else if (!Number.isFinite(scaling)) refuse(config, "scaling", scaling, 'a finite number, "learned" or "channel"');
  if (!Array.isArray(config.leaveOut))
    refuse(config, "leaveOut", config.leaveOut, "a list of layers by number, from 0");
  for (const layer of config.leaveOut) checkInteger(config, "leaveOut", layer, 0);
  checkDropout(config, "dropout", config.dropout);
  for (const key of ["name", "modelType", "modelClass"] as const) {
    const value: unknown = config[key];
    if (value !== null && typeof value !== "string") refuse(config, key, value, "a text");
  }
  for (const key of ["taskType", "modulesToSave", "targetModules", "excludeModules", "revision"] as const) {
    if (config[key] !== null) refuse(config, key, config[key], "left out: AdapterHub's files cannot hold it");
  }
}

/** Adapters after attention and after the feed-forward layers. Houlsby et al. 2019, https://arxiv.org/abs/1902.00751 */
export class DoubleSeqBnConfig extends BnConfig {
  constructor(options: BnOptions = {}) {
    super({ mhAdapter: true, nonLinearity: "swish", ...options });
  }
}

/** Adapters after the feed-forward layers and the residual. Pfeiffer et al. 2020, https://arxiv.org/abs/2005.00247 */
export class SeqBnConfig extends BnConfig {
  constructor(options: BnOptions = {}) {
    super({ originalLnBefore: true, ...options });
  }
}

/** Adapters in parallel to the feed-forward layers. He et al. 2021, https://arxiv.org/abs/2110.04366 */
export class ParBnConfig extends BnConfig {
  constructor(options: BnOptions = {}) {
    super({ reductionFactor: 2, initWeights: "mam_adapter", isParallel: true, scaling: 4, ...options });
  }
}
