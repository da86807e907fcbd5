import type { AnyMethod } from "./method.ts";

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

/**
 * Loads a method by PEFT's name, by which configurations and files are told apart. A page downloads
 * only those that it calls. Commands list their recipes in this order.
 */
export const peftMethods = {
  LORA: async (): Promise<AnyMethod> => (await import("./lora.ts")).lora,
  ADALORA: async (): Promise<AnyMethod> => (await import("./adaLora.ts")).adaLora,
  VERA: async (): Promise<AnyMethod> => (await import("./vera.ts")).vera,
  LOHA: async (): Promise<AnyMethod> => (await import("./loha.ts")).loha,
  LOKR: async (): Promise<AnyMethod> => (await import("./lokr.ts")).lokr,
  HIRA: async (): Promise<AnyMethod> => (await import("./hira.ts")).hira,
  GRALORA: async (): Promise<AnyMethod> => (await import("./gralora.ts")).gralora,
  DELORA: async (): Promise<AnyMethod> => (await import("./delora.ts")).delora,
  MISS: async (): Promise<AnyMethod> => (await import("./miss.ts")).miss,
  RANDLORA: async (): Promise<AnyMethod> => (await import("./randlora.ts")).randlora,
  OFT: async (): Promise<AnyMethod> => (await import("./oft.ts")).oft,
  BOFT: async (): Promise<AnyMethod> => (await import("./boft.ts")).boft,
  HRA: async (): Promise<AnyMethod> => (await import("./hra.ts")).hra,
  FOURIERFT: async (): Promise<AnyMethod> => (await import("./fourierft.ts")).fourierft,
  VBLORA: async (): Promise<AnyMethod> => (await import("./vblora.ts")).vblora,
  BITFIT: async (): Promise<AnyMethod> => (await import("./bitFit.ts")).bitFit,
  LN_TUNING: async (): Promise<AnyMethod> => (await import("./lnTuning.ts")).lnTuning,
  PREFIX_TUNING: async (): Promise<AnyMethod> => (await import("./prefixTuning.ts")).prefixTuning,
  BOTTLENECK: async (): Promise<AnyMethod> => (await import("./bottleneck.ts")).bottleneck,
  IA3: async (): Promise<AnyMethod> => (await import("./ia3.ts")).ia3,
  PROMPT_TUNING: async (): Promise<AnyMethod> => (await import("./promptTuning.ts")).promptTuning,
  P_TUNING: async (): Promise<AnyMethod> => (await import("./pTuning.ts")).pTuning,
  ADAPTION_PROMPT: async (): Promise<AnyMethod> => (await import("./adaptionPrompt.ts")).adaptionPrompt,
};
