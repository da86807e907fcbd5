import type { PeftType } from "../adapterCase.ts";
import type { MethodCases } from "../methodCases.ts";
import { adaLora } from "./adaLora.ts";
import { adaptionPrompt } from "./adaptionPrompt.ts";
import { boft } from "./boft.ts";
import { delora } from "./delora.ts";
import { fourierft } from "./fourierft.ts";
import { gralora } from "./gralora.ts";
import { hira } from "./hira.ts";
import { hra } from "./hra.ts";
import { ia3 } from "./ia3.ts";
import { lnTuning } from "./lnTuning.ts";
import { lora } from "./lora.ts";
import { loha, lokr } from "./lycoris.ts";
import { miss } from "./miss.ts";
import { oft } from "./oft.ts";
import { prefixTuning, promptTuning, pTuning } from "./prompts.ts";
import { randlora } from "./randlora.ts";
import { vblora } from "./vblora.ts";
import { vera } from "./vera.ts";

/** The methods that PEFT has too: BitFit is Lowrank's own, and bottlenecks are AdapterHub's. */
export type SharedMethod = Exclude<PeftType, "BITFIT" | "BOTTLENECK">;

/** How each method's random cases are made. */
export const methodCases: Record<SharedMethod, MethodCases> = {
  LORA: lora,
  ADALORA: adaLora,
  LOHA: loha,
  LOKR: lokr,
  IA3: ia3,
  LN_TUNING: lnTuning,
  VERA: vera,
  VBLORA: vblora,
  RANDLORA: randlora,
  GRALORA: gralora,
  DELORA: delora,
  HIRA: hira,
  MISS: miss,
  FOURIERFT: fourierft,
  OFT: oft,
  BOFT: boft,
  HRA: hra,
  PREFIX_TUNING: prefixTuning,
  PROMPT_TUNING: promptTuning,
  P_TUNING: pTuning,
  ADAPTION_PROMPT: adaptionPrompt,
};
