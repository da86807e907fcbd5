import { lora } from "./lora.ts";

/** All methods by PEFT's name, by which configurations and files are told apart. */
export const peftMethods: { readonly LORA: typeof lora } = { LORA: lora };
