import type { methodLoaders } from "./methodLoaders.ts";
import type { AnyMethod } from "./shared/method.ts";

export {
  BnConfig,
  type BnOptions,
  DoubleSeqBnConfig,
  ParBnConfig,
  SeqBnConfig,
} from "./bottleneck/bottleneckConfig.ts";
export { DeftConfig, type DeftDecomposition, type DeftOptions } from "./fromWeights/deftConfig.ts";
export { type PeanutActivation, PeanutConfig, type PeanutOptions } from "./fromWeights/peanutConfig.ts";
export { lora } from "./lora/lora.ts";
export {
  type ArrowConfig,
  type BdLoraConfig,
  type CordaConfig,
  type EvaConfig,
  type InitLoraWeights,
  type KasaConfig,
  type LoftQConfig,
  LoraConfig,
  type LoraGAConfig,
  type LoraOptions,
  type MontecloraConfig,
  type VeloraConfig,
} from "./lora/loraConfig.ts";
export { loraScaling } from "./lora/loraScaling.ts";
export { AdaLoraConfig, type AdaLoraOptions, type AdaLoraRanks } from "./lowRank/adaLoraConfig.ts";
export { DeloraConfig, type DeloraOptions } from "./lowRank/deloraConfig.ts";
export { GraloraConfig, type GraloraOptions } from "./lowRank/graloraConfig.ts";
export { HiraConfig, type HiraOptions } from "./lowRank/hiraConfig.ts";
export { LilyConfig, type LilyOptions } from "./lowRank/lilyConfig.ts";
export { MissConfig, type MissOptions } from "./lowRank/missConfig.ts";
export { RandLoraConfig, type RandLoraOptions } from "./lowRank/randloraConfig.ts";
export { LoHaConfig, type LoHaOptions } from "./lycoris/lohaConfig.ts";
export { LoKrConfig, type LoKrOptions } from "./lycoris/lokrConfig.ts";
export { BOFTConfig, type BOFTOptions } from "./orthogonal/boftConfig.ts";
export { HRAConfig, type HRAOptions } from "./orthogonal/hraConfig.ts";
export { OFTConfig, type OFTOptions } from "./orthogonal/oftConfig.ts";
export { RoadConfig, type RoadOptions, type RoadVariant } from "./orthogonal/roadConfig.ts";
export { AdaptionPromptConfig, type AdaptionPromptOptions } from "./prompt/adaptionPrompt.ts";
export { CartridgeConfig, type CartridgeOptions } from "./prompt/cartridge.ts";
export { CPTConfig, type CPTOptions } from "./prompt/cptConfig.ts";
export {
  MultitaskPromptTuningConfig,
  type MultitaskPromptTuningInit,
  type MultitaskPromptTuningOptions,
} from "./prompt/multitaskPromptTuning.ts";
export { PrefixTuningConfig, type PrefixTuningOptions } from "./prompt/prefixTuning.ts";
export { PromptTuningConfig, type PromptTuningOptions } from "./prompt/promptTuning.ts";
export { PromptEncoderConfig, type PromptEncoderOptions } from "./prompt/pTuning.ts";
export { PolyConfig, type PolyOptions } from "./routed/polyConfig.ts";
export { XLoraConfig, type XLoraOptions } from "./routed/xloraConfig.ts";
export { ShadowConfig, type ShadowOptions } from "./shadow/shadowConfig.ts";
export {
  alphaOption,
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
  virtualTokensOption,
} from "./shared/commonOptions.ts";
export { PveraConfig, type PveraOptions } from "./sharedVectors/pveraConfig.ts";
export { TinyLoraConfig, type TinyLoraOptions } from "./sharedVectors/tinyloraConfig.ts";
export { UniLoraConfig, type UniLoraOptions } from "./sharedVectors/uniloraConfig.ts";
export { VBLoRAConfig, type VBLoRAOptions } from "./sharedVectors/vbloraConfig.ts";
export { VeraConfig, type VeraOptions } from "./sharedVectors/veraConfig.ts";
export { AdamssConfig, type AdamssOptions } from "./singular/adamssConfig.ts";
export { FrodConfig, type FrodOptions } from "./singular/frodConfig.ts";
export { OSFConfig, type OSFOptions } from "./singular/osfConfig.ts";
export { PsoftConfig, type PsoftOptions } from "./singular/psoftConfig.ts";
export { ShiraConfig, type ShiraOptions } from "./sparse/shiraConfig.ts";
export { SupertuningConfig, type SupertuningOptions } from "./sparse/supertuningConfig.ts";
export { C3AConfig, type C3AInitWeights, type C3AOptions } from "./spectral/c3aConfig.ts";
export { FourierFTConfig, type FourierFTOptions } from "./spectral/fourierftConfig.ts";
export { WaveFTConfig, type WaveFTOptions } from "./spectral/waveftConfig.ts";
export { BeftConfig, type BeftOptions } from "./vectors/beftConfig.ts";
export { BitFitConfig } from "./vectors/bitFitConfig.ts";
export { GloraConfig, type GloraOptions, type GloraPath } from "./vectors/gloraConfig.ts";
export { IA3Config, type IA3Options } from "./vectors/ia3Config.ts";
export { LNTuningConfig } from "./vectors/lnTuningConfig.ts";
export { TrainableTokensConfig, type TrainableTokensOptions } from "./vectors/trainableTokensConfig.ts";

type PeftType = "LORA" | keyof typeof methodLoaders;
type Loader = () => Promise<AnyMethod>;

/** The methods other than LoRA, in the order in which command-line programs list them. */
const others: readonly (keyof typeof methodLoaders)[] = [
  "ADALORA",
  "VERA",
  "PVERA",
  "LOHA",
  "LOKR",
  "HIRA",
  "GRALORA",
  "GLORA",
  "DELORA",
  "DEFT",
  "PEANUT",
  "MISS",
  "RANDLORA",
  "LILY",
  "POLY",
  "XLORA",
  "SHADOW",
  "OFT",
  "BOFT",
  "HRA",
  "ROAD",
  "OSF",
  "FROD",
  "ADAMSS",
  "PSOFT",
  "FOURIERFT",
  "WAVEFT",
  "SHIRA",
  "SUPERTUNING",
  "C3A",
  "VBLORA",
  "TINYLORA",
  "UNILORA",
  "BITFIT",
  "BEFT",
  "LN_TUNING",
  "TRAINABLE_TOKENS",
  "PREFIX_TUNING",
  "BOTTLENECK",
  "IA3",
  "PROMPT_TUNING",
  "P_TUNING",
  "MULTITASK_PROMPT_TUNING",
  "CARTRIDGE",
  "CPT",
  "ADAPTION_PROMPT",
];

/**
 * Functions that load each method's code, keyed by `peft_type`. A web page downloads only the methods that it uses.
 * Command-line programs list the methods' presets in the order of these keys.
 */
export const peftMethods: Readonly<Record<PeftType, Loader>> = {
  LORA: async () => (await import("./lora/lora.ts")).lora,
  ...(Object.fromEntries(
    others.map((name): [string, Loader] => [
      name,
      async () => (await import("./methodLoaders.ts")).methodLoaders[name](),
    ]),
  ) as Record<keyof typeof methodLoaders, Loader>),
};
