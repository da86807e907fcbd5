import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import { SavedModule } from "../../layers/savedModule.ts";
import type { Bare, Plan } from "./planAdapter.ts";

/** Returns the modules to train in full: those whose path ends with one of the names in `modulesToSave`, as in PEFT. */
export function savedModules(
  model: Module,
  config: PeftConfig,
  heads: readonly string[],
  warnings: Warning[],
  bare: Bare,
): Plan["saved"] {
  const found: { path: string; base: Module }[] = [];
  const names = config.modulesToSave ?? [];
  const met = new Set<string>(heads);
  for (const [path, base] of bare(() => [...model.namedModules()])) {
    const ends = path === "" ? [] : names.filter((name) => path.endsWith(name));
    if (ends.length === 0) continue;
    for (const name of ends) met.add(name);
    if (!found.some((outer) => path.startsWith(`${outer.path}.`))) found.push({ path, base });
  }
  const missing = names.filter((name) => !met.has(name));
  if (missing.length > 0) {
    const message = `modulesToSave: no module's path ends with ${missing.join(", ")}; nothing is saved for it`;
    warnings.push({ code: "missing-module", message });
  }
  return found.map(({ path, base }) => ({ path, base, wrap: (active) => new SavedModule(base, active) }));
}
