import type { AnyMethod } from "./method.ts";
import type { methodLoaders } from "./methodLoaders.ts";

export { adaLora } from "./adaLora.ts";
export { AdaLoraConfig, type AdaLoraOptions, type AdaLoraRanks } from "./adaLoraConfig.ts";
export { AdaptionPromptConfig, type AdaptionPromptOptions, adaptionPrompt } from "./adaptionPrompt.ts";
export { bitFit } from "./bitFit.ts";
export { BitFitConfig } from "./bitFitConfig.ts";
export { boft } from "./boft.ts";
export { BOFTConfig, type BOFTOptions } from "./boftConfig.ts";
export { bottleneck } from "./bottleneck.ts";
export { BnConfig, type BnOptions, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig } from "./bottleneckConfig.ts";
export {
  alphaOption,
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
  virtualTokensOption,
} from "./commonOptions.ts";
export { delora } from "./delora.ts";
export { DeloraConfig, type DeloraOptions } from "./deloraConfig.ts";
export { fourierft } from "./fourierft.ts";
export { FourierFTConfig, type FourierFTOptions } from "./fourierftConfig.ts";
export { gralora } from "./gralora.ts";
export { GraloraConfig, type GraloraOptions } from "./graloraConfig.ts";
export { hira } from "./hira.ts";
export { HiraConfig, type HiraOptions } from "./hiraConfig.ts";
export { hra } from "./hra.ts";
export { HRAConfig, type HRAOptions } from "./hraConfig.ts";
export { ia3 } from "./ia3.ts";
export { IA3Config, type IA3Options } from "./ia3Config.ts";
export { lnTuning } from "./lnTuning.ts";
export { LNTuningConfig } from "./lnTuningConfig.ts";
export { loha } from "./loha.ts";
export { LoHaConfig, type LoHaOptions } from "./lohaConfig.ts";
export { lokr } from "./lokr.ts";
export { LoKrConfig, type LoKrOptions } from "./lokrConfig.ts";
export { lora } from "./lora.ts";
export {
  type EvaConfig,
  type InitLoraWeights,
  type LoftQConfig,
  LoraConfig,
  type LoraOptions,
} from "./loraConfig.ts";
export { loraScaling } from "./loraScaling.ts";
export { miss } from "./miss.ts";
export { MissConfig, type MissOptions } from "./missConfig.ts";
export { oft } from "./oft.ts";
export { OFTConfig, type OFTOptions } from "./oftConfig.ts";
export { PrefixTuningConfig, type PrefixTuningOptions, prefixTuning } from "./prefixTuning.ts";
export { PromptTuningConfig, type PromptTuningOptions, promptTuning } from "./promptTuning.ts";
export { PromptEncoderConfig, type PromptEncoderOptions, pTuning } from "./pTuning.ts";
export { randlora } from "./randlora.ts";
export { RandLoraConfig, type RandLoraOptions } from "./randloraConfig.ts";
export { vblora } from "./vblora.ts";
export { VBLoRAConfig, type VBLoRAOptions } from "./vbloraConfig.ts";
export { vera } from "./vera.ts";
export { VeraConfig, type VeraOptions } from "./veraConfig.ts";

type PeftType = "LORA" | keyof typeof methodLoaders;
type Loader = () => Promise<AnyMethod>;

/** The methods of `methodLoaders.ts`, in the order in which commands list them. */
const others: readonly (keyof typeof methodLoaders)[] = [
  "ADALORA",
  "VERA",
  "LOHA",
  "LOKR",
  "HIRA",
  "GRALORA",
  "DELORA",
  "MISS",
  "RANDLORA",
  "OFT",
  "BOFT",
  "HRA",
  "FOURIERFT",
  "VBLORA",
  "BITFIT",
  "LN_TUNING",
  "PREFIX_TUNING",
  "BOTTLENECK",
  "IA3",
  "PROMPT_TUNING",
  "P_TUNING",
  "ADAPTION_PROMPT",
];

/**
 * Loads a method by PEFT's name, by which configurations and files are told apart. A page downloads
 * only those that it calls. Commands list their recipes in this order.
 */
export const peftMethods: Readonly<Record<PeftType, Loader>> = {
  LORA: async () => (await import("./lora.ts")).lora,
  ...(Object.fromEntries(
    others.map((name): [string, Loader] => [
      name,
      async () => (await import("./methodLoaders.ts")).methodLoaders[name](),
    ]),
  ) as Record<keyof typeof methodLoaders, Loader>),
};
