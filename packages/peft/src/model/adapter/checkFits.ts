import type { Module, PromptableModel } from "@lowrank/nn";
import { TunerLayer } from "../../layers/tunerLayer.ts";
import type { Wrapper, Wrappers } from "../../layers/wrapper.ts";
import { checkDisjoint, type Plan } from "./planAdapter.ts";

/** Throws if the model already contains adapters, that is, belongs to another `PeftModel`. */
export function checkBare(model: Module): void {
  for (const [path, module] of model.namedModules()) {
    if ("mergeSteps" in module) {
      throw new Error(
        `${path} carries adapters of another PeftModel; add yours to that PeftModel with addAdapter, or call its unload first`,
      );
    }
  }
  if (isPromptable(model) && model.virtualTokens) {
    throw new Error(
      "the model has virtual tokens of another PeftModel; add yours to that PeftModel with addAdapter, or call its unload first",
    );
  }
}

/**
 * Throws if a new adapter conflicts with an existing one. They conflict if both change the same module in different
 * ways, for example one with LoRA and the other by full training. They also conflict if one changes a module inside a
 * module that the other changes.
 */
export function checkPlan(plan: Plan, wrappers: Wrappers): void {
  const isLayer = (wrapper: Wrapper) => wrapper instanceof TunerLayer;
  const isSaved = (wrapper: Wrapper) => "originals" in wrapper;
  const kinds = [
    [plan.layers, isLayer],
    [plan.saved, isSaved],
    [plan.tokens, (wrapper: Wrapper) => !isLayer(wrapper) && !isSaved(wrapper)],
  ] as const;
  const paths = new Set(wrappers.keys());
  for (const [parts, isKind] of kinds) {
    for (const { path } of parts) {
      const before = wrappers.get(path);
      if (before && !isKind(before)) {
        throw new Error(
          `${path}: another adapter uses this module in another way (${before.constructor.name}); delete that adapter first`,
        );
      }
      paths.add(path);
    }
  }
  checkDisjoint([...paths]);
}

/** Returns true if the model supports prompt methods, that is, virtual tokens before its sequences. */
export function isPromptable(model: Module): model is PromptableModel {
  return "virtualTokens" in model && "attentionSizes" in model;
}
