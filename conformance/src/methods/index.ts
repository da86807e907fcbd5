import type { PeftType } from "../adapterCase.ts";
import type { MethodCases } from "../methodCases.ts";
import { adaLora } from "./adaLora.ts";
import { adamss } from "./adamss.ts";
import { adaptionPrompt } from "./adaptionPrompt.ts";
import { beft } from "./beft.ts";
import { boft } from "./boft.ts";
import { c3a } from "./c3a.ts";
import { deft } from "./deft.ts";
import { delora } from "./delora.ts";
import { fourierft } from "./fourierft.ts";
import { frod } from "./frod.ts";
import { glora } from "./glora.ts";
import { gralora } from "./gralora.ts";
import { hira } from "./hira.ts";
import { hra } from "./hra.ts";
import { ia3 } from "./ia3.ts";
import { lily } from "./lily.ts";
import { lnTuning } from "./lnTuning.ts";
import { lora } from "./lora.ts";
import { loha, lokr } from "./lycoris.ts";
import { miss } from "./miss.ts";
import { oft } from "./oft.ts";
import { osf } from "./osf.ts";
import { peanut } from "./peanut.ts";
import { poly } from "./poly.ts";
import { cartridge, cpt, multitaskPromptTuning, prefixTuning, promptTuning, pTuning } from "./prompts.ts";
import { psoft } from "./psoft.ts";
import { pvera } from "./pvera.ts";
import { randlora } from "./randlora.ts";
import { road } from "./road.ts";
import { shadow } from "./shadow.ts";
import { shira } from "./shira.ts";
import { supertuning } from "./supertuning.ts";
import { tinylora } from "./tinylora.ts";
import { trainableTokens } from "./trainableTokens.ts";
import { unilora } from "./unilora.ts";
import { vblora } from "./vblora.ts";
import { vera } from "./vera.ts";
import { waveft } from "./waveft.ts";
import { xlora } from "./xlora.ts";

const cases: Readonly<Partial<Record<PeftType, MethodCases>>> = {
  LORA: lora,
  ADALORA: adaLora,
  LOHA: loha,
  LOKR: lokr,
  IA3: ia3,
  BEFT: beft,
  LN_TUNING: lnTuning,
  TRAINABLE_TOKENS: trainableTokens,
  PVERA: pvera,
  VERA: vera,
  TINYLORA: tinylora,
  UNILORA: unilora,
  VBLORA: vblora,
  RANDLORA: randlora,
  GRALORA: gralora,
  GLORA: glora,
  PEANUT: peanut,
  DEFT: deft,
  DELORA: delora,
  HIRA: hira,
  LILY: lily,
  POLY: poly,
  XLORA: xlora,
  SHADOW: shadow,
  MISS: miss,
  FOURIERFT: fourierft,
  WAVEFT: waveft,
  SUPERTUNING: supertuning,
  SHIRA: shira,
  C3A: c3a,
  OFT: oft,
  BOFT: boft,
  HRA: hra,
  ROAD: road,
  OSF: osf,
  FROD: frod,
  ADAMSS: adamss,
  PSOFT: psoft,
  PREFIX_TUNING: prefixTuning,
  PROMPT_TUNING: promptTuning,
  P_TUNING: pTuning,
  CARTRIDGE: cartridge,
  CPT: cpt,
  MULTITASK_PROMPT_TUNING: multitaskPromptTuning,
  ADAPTION_PROMPT: adaptionPrompt,
};

/** The methods with random cases: all that PEFT also has, which `everyMethod` checks. */
export const drawnMethods: readonly PeftType[] = Object.keys(cases) as PeftType[];

/** Returns the recipe for a method's random cases. Throws for a method without any. */
export function casesOf(method: PeftType): MethodCases {
  const found = cases[method];
  if (found) return found;
  throw new Error(`${method} has no random cases; there are ${drawnMethods.join(", ")}`);
}
