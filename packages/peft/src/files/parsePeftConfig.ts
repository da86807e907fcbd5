import type { PeftConfig } from "../config/peftConfig.ts";
import { knownMethods } from "../methods/registry.ts";
import { fromAdapterHub } from "./adapterHubFiles.ts";
import { parseConfig } from "./configFile.ts";

/** Options of `parsePeftConfig`. */
export interface ParsePeftConfigOptions {
  /** The name of the file in messages. Default "adapter_config.json". */
  label?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: (message: string) => void;
}

/**
 * The configuration of an adapter_config.json, of PEFT or of AdapterHub, from the JSON value.
 * Throws, naming the field, for what is not supported; a field that is not known is a warning.
 */
export function parsePeftConfig(
  json: unknown,
  { label = "adapter_config.json", onWarning = console.warn }: ParsePeftConfigOptions = {},
): PeftConfig {
  return parseConfig(fromAdapterHub(json, label) ?? json, knownMethods(), label, onWarning).config;
}
