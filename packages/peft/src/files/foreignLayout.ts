import type { PeftConfig } from "../config/peftConfig.ts";
import type { AnyMethod } from "../methods/shared/method.ts";
import type { AdapterLayout } from "../methods/shared/methodFacts.ts";

/**
 * Reads an adapter_config.json by the layout of the method that knows it, of those given; null for
 * a file of PEFT.
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
