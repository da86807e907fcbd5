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

/**
 * Returns the configuration field of a method's dropout: the field of the option with the flag `dropout`. Null for
 * methods without this option, and for methods whose update is no product B A: they drop whole blocks or layers.
 */
export function dropoutField(method: AnyMethod): string | null {
  if (isPromptMethod(method) || method.combines?.kind !== "products") return null;
  return optionsOf(method).find(({ flag }) => flag === "dropout")?.field ?? null;
}
