import type { PeftConfig } from "../config/peftConfig.ts";
import type { AdapterLayout } from "../methods/methodFacts.ts";
import { knownMethods } from "../methods/registry.ts";

/**
 * Reads an adapter_config.json by the layout of the method that knows it; null for a file of PEFT.
 */
export function readForeign(
  json: unknown,
  label: string,
): { fields: Record<string, unknown>; layout: AdapterLayout<PeftConfig> } | null {
  for (const { layout } of Object.values(knownMethods())) {
    const fields = layout?.readConfig(json, label) ?? null;
    if (layout && fields) return { fields, layout };
  }
  return null;
}
