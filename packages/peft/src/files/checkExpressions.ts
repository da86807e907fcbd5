import { expressionCost } from "@lowrank/core/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { AnyMethod } from "../methods/shared/method.ts";

/** Yields each regular expression in a configuration, with the name of its field. */
function* expressionsOf(config: PeftConfig, method: AnyMethod): Generator<[field: string, expression: string]> {
  const { targetModules, excludeModules, modulesToSave } = config;
  const { layersPattern } = config as { layersPattern?: readonly string[] | string | null };
  if (typeof targetModules === "string") yield ["target_modules", targetModules];
  if (typeof excludeModules === "string") yield ["exclude_modules", excludeModules];
  for (const name of modulesToSave ?? []) yield ["modules_to_save", name];
  for (const name of [layersPattern ?? []].flat()) yield ["layers_pattern", name];
  for (const [name, keys] of Object.entries(("patterns" in method && method.patterns?.(config)) || {})) {
    for (const key of Object.keys(keys)) yield [name, key];
  }
}

/** Throws for a regular expression in a file that could take very long to match. */
export function checkExpressions(config: PeftConfig, method: AnyMethod, label: string): void {
  for (const [field, expression] of expressionsOf(config, method)) {
    const reason = expressionCost(expression);
    if (!reason) continue;
    const shown = expression.length > 80 ? `${expression.slice(0, 77)}...` : expression;
    throw new Error(
      `${label}: ${field} holds the expression ${JSON.stringify(shown)}, which could take very long to match: ${reason}; write it otherwise, or list the modules' names`,
    );
  }
}
