import type { ServedAdapter } from "../api/api.ts";
import type { Caller } from "../api/caller.ts";
import { mayUse } from "./mayUse.ts";
import { nameFor } from "./names.ts";

/**
 * Returns the adapters that a caller may use, by the caller's names for them. A tenant's own adapter hides a shared one
 * with the same name.
 */
export function visibleAdapters(adapters: readonly ServedAdapter[], caller: Caller): readonly ServedAdapter[] {
  const visible = new Map<string, ServedAdapter>();
  for (const adapter of adapters) {
    const name = caller.operator ? adapter.name : nameFor(caller.tenant, adapter.name);
    const isOwn = name !== adapter.name;
    if (!mayUse(caller, { ...adapter, name }) || (visible.has(name) && !isOwn)) continue;
    visible.set(name, { ...adapter, name });
  }
  return [...visible.values()];
}
