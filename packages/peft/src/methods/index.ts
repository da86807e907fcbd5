import { ia3 } from "./ia3.ts";
import { lnTuning } from "./lnTuning.ts";
import { lora } from "./lora.ts";
import { vera } from "./vera.ts";

/** The methods there are, by PEFT's name. */
type PeftMethods = {
  readonly LORA: typeof lora;
  readonly IA3: typeof ia3;
  readonly LN_TUNING: typeof lnTuning;
  readonly VERA: typeof vera;
};

/** All methods by PEFT's name, by which configurations and files are told apart. */
export const peftMethods: PeftMethods = { LORA: lora, IA3: ia3, LN_TUNING: lnTuning, VERA: vera };
