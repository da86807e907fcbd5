import type { AnyMethod, PeftConfig } from "@lowrank/peft";
import { optionsOf } from "@lowrank/peft";
import { isPromptMethod } from "@lowrank/peft/internal";

/**
 * Returns the rank `r` of a configuration whose method declares that it sets the size of a saved tensor
 * (`MethodFacts.sizes`). Null for other methods.
 */
export function declaredRank(method: AnyMethod, config: PeftConfig): number | null {
  const r: unknown = Reflect.get(config, "r");
  const isDeclared = method.sizes?.includes("r") ?? true;
  return !isPromptMethod(method) && isDeclared && typeof r === "number" && r > 0 ? r : null;
}

/**
 * Returns the configuration field with which a method's update scales: the field of the option with the flag `alpha`.
 * Null for methods without this option.
 */
export function alphaField(method: AnyMethod): string | null {
  return optionsOf(method).find(({ flag }) => flag === "alpha")?.field ?? null;
}
