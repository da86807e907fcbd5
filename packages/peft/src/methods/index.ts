import { adaLora } from "./adaLora.ts";
import { adaptionPrompt } from "./adaptionPrompt.ts";
import { bitFit } from "./bitFit.ts";
import { boft } from "./boft.ts";
import { bottleneck } from "./bottleneck.ts";
import { delora } from "./delora.ts";
import { fourierft } from "./fourierft.ts";
import { gralora } from "./gralora.ts";
import { hira } from "./hira.ts";
import { hra } from "./hra.ts";
import { ia3 } from "./ia3.ts";
import { lnTuning } from "./lnTuning.ts";
import { loha } from "./loha.ts";
import { lokr } from "./lokr.ts";
import { lora } from "./lora.ts";
import { miss } from "./miss.ts";
import { oft } from "./oft.ts";
import { prefixTuning } from "./prefixTuning.ts";
import { promptTuning } from "./promptTuning.ts";
import { pTuning } from "./pTuning.ts";
import { randlora } from "./randlora.ts";
import { vblora } from "./vblora.ts";
import { vera } from "./vera.ts";

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

/** The methods there are, by PEFT's name. */
type PeftMethods = {
  readonly LORA: typeof lora;
  readonly ADALORA: typeof adaLora;
  readonly VERA: typeof vera;
  readonly LOHA: typeof loha;
  readonly LOKR: typeof lokr;
  readonly HIRA: typeof hira;
  readonly GRALORA: typeof gralora;
  readonly DELORA: typeof delora;
  readonly MISS: typeof miss;
  readonly RANDLORA: typeof randlora;
  readonly OFT: typeof oft;
  readonly BOFT: typeof boft;
  readonly HRA: typeof hra;
  readonly FOURIERFT: typeof fourierft;
  readonly VBLORA: typeof vblora;
  readonly BITFIT: typeof bitFit;
  readonly LN_TUNING: typeof lnTuning;
  readonly PREFIX_TUNING: typeof prefixTuning;
  readonly BOTTLENECK: typeof bottleneck;
  readonly IA3: typeof ia3;
  readonly PROMPT_TUNING: typeof promptTuning;
  readonly P_TUNING: typeof pTuning;
  readonly ADAPTION_PROMPT: typeof adaptionPrompt;
};

/**
 * All methods by PEFT's name, by which configurations and files are told apart. Commands list their
 * recipes in this order.
 */
export const peftMethods: PeftMethods = {
  LORA: lora,
  ADALORA: adaLora,
  VERA: vera,
  LOHA: loha,
  LOKR: lokr,
  HIRA: hira,
  GRALORA: gralora,
  DELORA: delora,
  MISS: miss,
  RANDLORA: randlora,
  OFT: oft,
  BOFT: boft,
  HRA: hra,
  FOURIERFT: fourierft,
  VBLORA: vblora,
  BITFIT: bitFit,
  LN_TUNING: lnTuning,
  PREFIX_TUNING: prefixTuning,
  BOTTLENECK: bottleneck,
  IA3: ia3,
  PROMPT_TUNING: promptTuning,
  P_TUNING: pTuning,
  ADAPTION_PROMPT: adaptionPrompt,
};
