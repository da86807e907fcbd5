import type { CausalLM } from "@lowrank/models";
import type { PeftModel } from "@lowrank/peft";

/** Model whose predictions are measured: the base model, or the base model with one adapter. */
export interface System {
  readonly name: "base" | "adapter" | "against";
  /** Runs `fn` while this system's adapter is active, or without adapters. */
  run<T>(fn: () => T): T;
}

/** Returns the base model without adapters. */
export function baseSystem(peft: PeftModel<CausalLM>): System {
  return { name: "base", run: (fn) => peft.disableAdapter(fn) };
}

/** Returns the base model with one of its adapters, whose name on the model is `adapter`. */
export function adapterSystem(name: System["name"], peft: PeftModel<CausalLM>, adapter: string): System {
  return {
    name,
    run: (fn) => {
      if (peft.activeAdapter !== adapter) peft.setAdapter(adapter);
      return fn();
    },
  };
}
