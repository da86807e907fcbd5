import type { Module } from "@lowrank/nn";
import { SavedModule } from "../layers/savedModule.ts";
import { TrainableTokens } from "../layers/trainableTokens.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Wrappers } from "../layers/wrapper.ts";
import { isPromptable } from "./isPromptable.ts";
import { checkDisjoint, type Plan } from "./planAdapter.ts";

/** Throws for a model that carries adapters of another PeftModel. */
export function checkBare(model: Module): void {
  for (const [path, module] of model.namedModules()) {
    if (module instanceof TunerLayer || module instanceof SavedModule || module instanceof TrainableTokens) {
      throw new Error(
        `${path} carries adapters of another PeftModel; add yours to that with addAdapter, or unload it first`,
      );
    }
  }
  if (isPromptable(model) && model.virtualTokens) {
    throw new Error(
      "the model has virtual tokens of another PeftModel; add yours to that with addAdapter, or unload it",
    );
  }
}

/**
 * Throws if an adapter would use a module in another way than an adapter on the model, or a part of
 * a module that this one uses.
 */
export function checkPlan(plan: Plan, wrappers: Wrappers): void {
  const kinds = [
    [plan.layers, TunerLayer],
    [plan.saved, SavedModule],
    [plan.tokens, TrainableTokens],
  ] as const;
  const paths = new Set(wrappers.keys());
  for (const [parts, kind] of kinds) {
    for (const { path } of parts) {
      const before = wrappers.get(path);
      if (before && !(before instanceof kind)) {
        throw new Error(
          `${path}: another adapter uses this module in another way (${before.constructor.name}); delete that adapter first`,
        );
      }
      paths.add(path);
    }
  }
  checkDisjoint([...paths]);
}
