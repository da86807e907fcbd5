import type { PeftConfig } from "../config/peftConfig.ts";
import type { AnyMethod } from "../methods/shared/method.ts";
import type { AdapterLayout } from "../methods/shared/methodFacts.ts";

/**
 * Reads an adapter_config.json that is not in PEFT's layout, with the first method whose layout recognises it. Returns
 * null if none does.
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
