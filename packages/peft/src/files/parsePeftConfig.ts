import { checkOptions } from "@lowrank/core/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import { methodsFor } from "../methods/registry.ts";
import type { AnyMethod } from "../methods/shared/method.ts";
import type { AdapterLayout } from "../methods/shared/methodFacts.ts";
import { parseConfig } from "./configFile.ts";

/** Options of `parsePeftConfig`. */
export interface ParsePeftConfigOptions {
  /** The file's name in messages. Default: "adapter_config.json". */
  label?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
}

/**
 * Parses the JSON value of an adapter_config.json in PEFT's or AdapterHub's layout. Throws for unsupported values and
 * names the field. Warns about unknown fields.
 */
export async function parsePeftConfig(json: unknown, options: ParsePeftConfigOptions = {}): Promise<PeftConfig> {
  checkOptions("parsePeftConfig", options, { label: true, onWarning: true });
  const { label = "adapter_config.json", onWarning = printWarning } = options;
  const { peft_type: type } = (json ?? {}) as { peft_type?: unknown };
  const methods = await methodsFor(type);
  return parseConfig(readForeign(json, label, methods)?.fields ?? json, methods, label, onWarning).config;
}

/**
 * Reads an adapter_config.json that is not in PEFT's layout. Tries the methods that have their own folder layout, and
 * returns the fields and the layout of the first that accepts the file. Returns null if none accepts it.
 */
export function readForeign(
  json: unknown,
  label: string,
  methods: Readonly<Record<string, AnyMethod>>,
): { fields: Record<string, unknown>; layout: AdapterLayout<PeftConfig> } | null {
  for (const { layout } of Object.values(methods)) {
    const fields = layout?.readConfig(json, label) ?? null;
    if (layout && fields) return { fields, layout };
  }
  return null;
}
