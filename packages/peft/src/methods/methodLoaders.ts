import type { AnyMethod } from "./shared/method.ts";

/**
 * Functions that load the code of methods other than LoRA, keyed by `peft_type`. A web page that uses only LoRA does
 * not load this file.
 */
export const methodLoaders = {
  ADALORA: async (): Promise<AnyMethod> => (await import("./lowRank/adaLora.ts")).adaLora,
  VERA: async (): Promise<AnyMethod> => (await import("./sharedVectors/vera.ts")).vera,
  PVERA: async (): Promise<AnyMethod> => (await import("./sharedVectors/pvera.ts")).pvera,
  LOHA: async (): Promise<AnyMethod> => (await import("./lycoris/loha.ts")).loha,
  LOKR: async (): Promise<AnyMethod> => (await import("./lycoris/lokr.ts")).lokr,
  HIRA: async (): Promise<AnyMethod> => (await import("./lowRank/hira.ts")).hira,
  GRALORA: async (): Promise<AnyMethod> => (await import("./lowRank/gralora.ts")).gralora,
  GLORA: async (): Promise<AnyMethod> => (await import("./vectors/glora.ts")).glora,
  DELORA: async (): Promise<AnyMethod> => (await import("./lowRank/delora.ts")).delora,
  DEFT: async (): Promise<AnyMethod> => (await import("./fromWeights/deft.ts")).deft,
  PEANUT: async (): Promise<AnyMethod> => (await import("./fromWeights/peanut.ts")).peanut,
  MISS: async (): Promise<AnyMethod> => (await import("./lowRank/miss.ts")).miss,
  RANDLORA: async (): Promise<AnyMethod> => (await import("./lowRank/randlora.ts")).randlora,
  LILY: async (): Promise<AnyMethod> => (await import("./lowRank/lily.ts")).lily,
  POLY: async (): Promise<AnyMethod> => (await import("./routed/poly.ts")).poly,
  OFT: async (): Promise<AnyMethod> => (await import("./orthogonal/oft.ts")).oft,
  BOFT: async (): Promise<AnyMethod> => (await import("./orthogonal/boft.ts")).boft,
  HRA: async (): Promise<AnyMethod> => (await import("./orthogonal/hra.ts")).hra,
  ROAD: async (): Promise<AnyMethod> => (await import("./orthogonal/road.ts")).road,
  OSF: async (): Promise<AnyMethod> => (await import("./singular/osf.ts")).osf,
  FROD: async (): Promise<AnyMethod> => (await import("./singular/frod.ts")).frod,
  ADAMSS: async (): Promise<AnyMethod> => (await import("./singular/adamss.ts")).adamss,
  FOURIERFT: async (): Promise<AnyMethod> => (await import("./spectral/fourierft.ts")).fourierft,
  WAVEFT: async (): Promise<AnyMethod> => (await import("./spectral/waveft.ts")).waveft,
  SHIRA: async (): Promise<AnyMethod> => (await import("./sparse/shira.ts")).shira,
  SUPERTUNING: async (): Promise<AnyMethod> => (await import("./sparse/supertuning.ts")).supertuning,
  C3A: async (): Promise<AnyMethod> => (await import("./spectral/c3a.ts")).c3a,
  VBLORA: async (): Promise<AnyMethod> => (await import("./sharedVectors/vblora.ts")).vblora,
  UNILORA: async (): Promise<AnyMethod> => (await import("./sharedVectors/unilora.ts")).unilora,
  BITFIT: async (): Promise<AnyMethod> => (await import("./vectors/bitFit.ts")).bitFit,
  BEFT: async (): Promise<AnyMethod> => (await import("./vectors/beft.ts")).beft,
  LN_TUNING: async (): Promise<AnyMethod> => (await import("./vectors/lnTuning.ts")).lnTuning,
  TRAINABLE_TOKENS: async (): Promise<AnyMethod> => (await import("./vectors/trainableTokens.ts")).trainableTokens,
  PREFIX_TUNING: async (): Promise<AnyMethod> => (await import("./prompt/prefixTuning.ts")).prefixTuning,
  BOTTLENECK: async (): Promise<AnyMethod> => (await import("./bottleneck/bottleneck.ts")).bottleneck,
  IA3: async (): Promise<AnyMethod> => (await import("./vectors/ia3.ts")).ia3,
  PROMPT_TUNING: async (): Promise<AnyMethod> => (await import("./prompt/promptTuning.ts")).promptTuning,
  P_TUNING: async (): Promise<AnyMethod> => (await import("./prompt/pTuning.ts")).pTuning,
  MULTITASK_PROMPT_TUNING: async (): Promise<AnyMethod> =>
    (await import("./prompt/multitaskPromptTuning.ts")).multitaskPromptTuning,
  ADAPTION_PROMPT: async (): Promise<AnyMethod> => (await import("./prompt/adaptionPrompt.ts")).adaptionPrompt,
};
