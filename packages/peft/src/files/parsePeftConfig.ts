import { checkOptions } from "@lowrank/core";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import { methodsFor } from "../methods/registry.ts";
import { parseConfig } from "./configFile.ts";
import { readForeign } from "./foreignLayout.ts";

/** Options of `parsePeftConfig`. */
export interface ParsePeftConfigOptions {
  /** The name of the file in messages. Default "adapter_config.json". */
  label?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
}

/**
 * The configuration of an adapter_config.json, of PEFT or of AdapterHub, from the
 * JSON value. Throws, naming the field, for values that are not supported; a field
 * that is not known is a warning.
 */
export async function parsePeftConfig(json: unknown, options: ParsePeftConfigOptions = {}): Promise<PeftConfig> {
  checkOptions("parsePeftConfig", options, { label: true, onWarning: true });
  const { label = "adapter_config.json", onWarning = printWarning } = options;
  const { peft_type: type } = (json ?? {}) as { peft_type?: unknown };
  const methods = await methodsFor(type);
  return parseConfig(readForeign(json, label, methods)?.fields ?? json, methods, label, onWarning).config;
}
