import type { PeftMethod } from "../method.ts";
import { lora } from "./lora.ts";

/** All methods, by which configurations and files are told apart. */
export const peftMethods: readonly PeftMethod[] = [lora];
