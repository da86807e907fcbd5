import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type AnyMethod, knownMethods, type PeftConfig, type RecipeSettings, recipesOf } from "@lowrank/peft";
import { isPromptMethod } from "@lowrank/peft/internal";

/** A configuration as plain data: a method, one of its recipes, and the options that differ from the recipe. */
export interface ConfigDescription {
  /** The method's `peftType`: "LORA". */
  method: string;
  /** Name of one of the method's recipes: "dora". Default: its first. */
  recipe?: string;
  /** Names of the layers to adapt. Null: the method's defaults for the model. */
  targetModules: string | readonly string[] | null;
  /** Options in camelCase that differ from the recipe. */
  options: Readonly<Record<string, unknown>>;
}

/**
 * Builds the configuration of a description. Throws `OptionError` for an unknown method or recipe, and the errors of
 * the configuration for invalid options.
 *
 * @example
 * ```ts
 * const config = await buildConfig({ method: "LORA", recipe: "dora", targetModules: "all-linear", options: { r: 2 } });
 * ```
 */
export async function buildConfig(description: ConfigDescription): Promise<PeftConfig> {
  checkOptions("buildConfig", description, { method: true, recipe: true, targetModules: true, options: true });
  const { method: type } = description;
  const methods = await knownMethods();
  const method = methods[type];
  if (method) return configFrom(method, description);
  const known = Object.keys(methods).join(", ");
  throw new OptionError("buildConfig", "method", type, `is not registered; choose ${known}`);
}

/** Settings with which recipes make configurations for small models. */
export const descriptionSettings: Omit<RecipeSettings, "targetModules"> = { r: 2, virtualTokens: 2, steps: 10 };

/** Builds the configuration of a description of a loaded method. */
export function configFrom(method: AnyMethod, { recipe, targetModules, options }: ConfigDescription): PeftConfig {
  const recipes = recipesOf(method);
  const found = recipe === undefined ? recipes[0] : recipes.find(({ name }) => name === recipe);
  if (!found) {
    const known = recipes.map(({ name }) => name).join(", ");
    throw new OptionError("buildConfig", "recipe", recipe, `is no recipe of ${method.peftType}; choose ${known}`);
  }
  const config = found.config({ ...descriptionSettings, targetModules });
  const changes = targetModules !== null && acceptsTargets(method) ? { ...options, targetModules } : options;
  return Object.keys(changes).length === 0 ? config : config.with(changes);
}

/** True if `targetModules` may list layers: not for prompt methods, and not for methods that find their modules. */
export function acceptsTargets(method: AnyMethod): boolean {
  return !isPromptMethod(method) && !method.targets && method.kinds.includes("linear");
}
