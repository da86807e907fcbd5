import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import { SavedModule } from "../../layers/savedModule.ts";
import type { Bare, Plan, PlannedModule } from "./planAdapter.ts";
import type { Ties } from "./planTies.ts";

/** Returns the modules to train in full: those whose path ends with one of the names in `modulesToSave`, as in PEFT. */
export function savedModules(
  model: Module,
  config: PeftConfig,
  heads: readonly string[],
  warnings: Warning[],
  bare: Bare,
  { embedding, saved: tied }: Pick<Ties, "embedding" | "saved"> = { saved: [] },
): Plan["saved"] {
  const found: Omit<PlannedModule, "wrap">[] = [];
  const names = config.modulesToSave ?? [];
  const met = new Set<string>(heads);
  for (const [path, base] of bare(() => [...model.namedModules()])) {
    const ends = path === "" ? [] : names.filter((name) => path.endsWith(name));
    if (ends.length === 0 && !tied.includes(path)) continue;
    for (const name of ends) met.add(name);
    if (!found.some((outer) => path.startsWith(`${outer.path}.`))) found.push({ path, base });
  }
  const missing = names.filter((name) => !met.has(name));
  if (missing.length > 0) {
    const message = `modulesToSave: no module's path ends with ${missing.join(", ")}; nothing is saved for it`;
    warnings.push({ code: "missing-module", message });
  }
  const isTied = ({ path }: { path: string }) => tied.includes(path);
  // A tied module comes after the module whose weight it uses.
  return [...found.filter((one) => !isTied(one)), ...found.filter(isTied)].map((one) => {
    const tiedTo = isTied(one) ? embedding : undefined;
    return { ...one, tiedTo, wrap: (active) => new SavedModule(one.base, active) };
  });
}
