import type { AnyMethod } from "./method.ts";

/** Loads methods by PEFT's names. A page with LoRA alone does without this table. */
export const methodLoaders = {
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
