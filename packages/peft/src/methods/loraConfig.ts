import { toSnakeCase } from "../config/keyCase.ts";
import { type ConfigFormat, PeftConfig, type PeftOptions, sameValue } from "../config/peftConfig.ts";

/**
 * How LoRA starts: true as in the paper (B zero), false at random (not a no-op), "gaussian" with A from N(0, 1/r²),
 * "loftq" with what NF4 loses of the weights, which are set to what NF4 keeps of them.
 */
export type InitLoraWeights = boolean | string;

/** How LoftQ quantises; PEFT's LoftQConfig. */
export interface LoftQConfig {
  /** 4, the only width supported. */
  readonly loftqBits: number;
  /** How often quantising and factoring take turns. */
  readonly loftqIter: number;
}

const loftqDefaults: LoftQConfig = { loftqBits: 4, loftqIter: 1 };

/** Options of `LoraConfig`; those left out take PEFT's defaults. */
export interface LoraOptions extends PeftOptions {
  /** The rank. Default 8. */
  r?: number;
  /** The numerator of the scaling: alpha / r, or alpha / √r with `useRslora`. Default 8. */
  loraAlpha?: number;
  /** Dropout on what goes into A, while training. Default 0. */
  loraDropout?: number;
  /** The weight lies as [in, out]. Follows from the layers; kept for the files. */
  fanInFanOut?: boolean;
  /** The base biases that train too: none, all, or those of the adapted layers. Default "none". */
  bias?: "none" | "all" | "lora_only";
  /** Rank-stabilised scaling (Kalajdzievski 2023, https://arxiv.org/abs/2312.03732). Default false. */
  useRslora?: boolean;
  initLoraWeights?: InitLoraWeights;
  /** Only with `initLoraWeights: "loftq"`. Default there: 4 bits, 1 turn. */
  loftqConfig?: Partial<LoftQConfig>;
  /** The layers to adapt, by number; default: all. Only with a list of `targetModules`. */
  layersToTransform?: readonly number[] | number | null;
  /** The name before a layer's number, where it is not plain: "layers", "h". */
  layersPattern?: readonly string[] | string | null;
  /** Ranks for some targets: names or expressions for the end of a path. */
  rankPattern?: Readonly<Record<string, number>>;
  /** Alphas for some targets. */
  alphaPattern?: Readonly<Record<string, number>>;
  /** A bias on B. Default false. */
  loraBias?: boolean;
  /** Tokens whose embeddings train too: of the input embedding (and an output layer tied to it), or by module name. */
  trainableTokenIndices?: readonly number[] | Readonly<Record<string, readonly number[]>> | null;
}

/** Configuration of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685). Throws for values out of range. */
export class LoraConfig extends PeftConfig {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly fanInFanOut: boolean;
  readonly bias: "none" | "all" | "lora_only";
  readonly useRslora: boolean;
  readonly initLoraWeights: InitLoraWeights;
  /** Empty without LoftQ. */
  readonly loftqConfig: Partial<LoftQConfig>;
  readonly layersToTransform: readonly number[] | number | null;
  readonly layersPattern: readonly string[] | string | null;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly loraBias: boolean;
  readonly trainableTokenIndices: readonly number[] | Readonly<Record<string, readonly number[]>> | null;

  constructor(options: LoraOptions = {}) {
    super("LORA", options);
    this.r = options.r ?? 8;
    this.loraAlpha = options.loraAlpha ?? 8;
    this.loraDropout = options.loraDropout ?? 0;
    this.fanInFanOut = options.fanInFanOut ?? false;
    this.bias = options.bias ?? "none";
    this.useRslora = options.useRslora ?? false;
    this.initLoraWeights = options.initLoraWeights ?? true;
    // Files that PEFT's users made ready for loading keep it beside another initialisation, where it says nothing.
    this.loftqConfig = this.initLoraWeights === "loftq" ? { ...loftqDefaults, ...options.loftqConfig } : {};
    if (Object.keys(options.loftqConfig ?? {}).length > 0 && options.initLoraWeights === undefined) {
      throw new Error('LoraConfig: loftqConfig is given without initLoraWeights: "loftq"; add that, or leave it out');
    }
    this.layersToTransform = options.layersToTransform ?? null;
    this.layersPattern = options.layersPattern ?? null;
    this.rankPattern = options.rankPattern ?? {};
    this.alphaPattern = options.alphaPattern ?? {};
    this.loraBias = options.loraBias ?? false;
    this.trainableTokenIndices = options.trainableTokenIndices ?? null;
    for (const key of Object.keys(options)) refuseUnknown(key, this, options);
    check(this);
  }
}

function refuseUnknown(key: string, config: LoraConfig, options: object): void {
  if (Object.hasOwn(config, key)) return;
  const { refused, ignored } = loraFormat;
  const snake = toSnakeCase(key);
  const value = (options as Record<string, unknown>)[key];
  for (const table of [refused, ignored]) if (Object.hasOwn(table, snake) && sameValue(table[snake], value)) return;
  if (Object.hasOwn(refused, snake) || Object.hasOwn(ignored, snake)) {
    throw new Error(`LoraConfig: ${key} is ${JSON.stringify(value)}, which is not supported yet; leave it out`);
  }
  throw new Error(`LoraConfig: there is no option ${key}`);
}

function check(config: LoraConfig): void {
  const { r, loraAlpha, loraDropout, bias, targetModules, layersToTransform, layersPattern } = config;
  const fail = (key: string, value: unknown, must: string) => {
    throw new Error(`LoraConfig: ${key} is ${JSON.stringify(value)}; it must be ${must}`);
  };
  for (const [key, rank] of Object.entries({ r, ...config.rankPattern })) {
    if (!Number.isInteger(rank) || rank < 1)
      fail(key === "r" ? "r" : `rankPattern["${key}"]`, rank, "an integer of at least 1");
  }
  for (const [key, alpha] of Object.entries({ loraAlpha, ...config.alphaPattern })) {
    if (!Number.isFinite(alpha)) fail(key === "loraAlpha" ? key : `alphaPattern["${key}"]`, alpha, "a finite number");
  }
  if (!(loraDropout >= 0 && loraDropout < 1)) fail("loraDropout", loraDropout, "from 0 up to but excluding 1");
  if (!["none", "all", "lora_only"].includes(bias)) fail("bias", bias, '"none", "all" or "lora_only"');
  if (typeof targetModules === "string" && (layersToTransform !== null || layersPattern !== null)) {
    fail("targetModules", targetModules, "a list where layersToTransform or layersPattern is set");
  }
  if (layersPattern !== null && layersToTransform === null) {
    fail("layersToTransform", null, "set where layersPattern is");
  }
  checkLoftq(config, fail);
}

function checkLoftq({ initLoraWeights, loftqConfig }: LoraConfig, fail: (...said: [string, unknown, string]) => void) {
  if (initLoraWeights !== "loftq") return;
  const { loftqBits, loftqIter, ...others } = loftqConfig as LoftQConfig;
  if (loftqBits !== 4) fail("loftqConfig.loftqBits", loftqBits, "4");
  if (!Number.isInteger(loftqIter) || loftqIter < 1)
    fail("loftqConfig.loftqIter", loftqIter, "an integer of at least 1");
  for (const [key, value] of Object.entries(others))
    fail(`loftqConfig.${key}`, value, "left out: there is no such option");
}

/** How LoRA's configuration lies on disk. */
export const loraFormat: ConfigFormat = {
  classic: [
    "alpha_pattern",
    "base_model_name_or_path",
    "bias",
    "fan_in_fan_out",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
  ],
  floats: ["lora_dropout"],
  nested: ["loftq_config"],
  refused: {
    alora_invocation_tokens: null,
    arrow_config: null,
    ensure_weight_tying: false,
    kasa_config: null,
    layer_replication: null,
    megatron_config: null,
    monteclora_config: null,
    target_parameters: null,
    use_bdlora: null,
    use_dora: false,
    use_qalora: false,
    velora_config: null,
  },
  ignored: {
    corda_config: null,
    eva_config: null,
    lora_ga_config: null,
    megatron_core: "megatron.core",
    qalora_group_size: 16,
  },
};
