import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { knownMethods, type PeftConfig, recipesOf } from "@lowrank/peft";

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
  const { method: type, recipe, targetModules, options } = description;
  const methods = await knownMethods();
  const method = methods[type];
  if (!method) {
    const known = Object.keys(methods).join(", ");
    throw new OptionError("buildConfig", "method", type, `is not registered; choose ${known}`);
  }
  const recipes = recipesOf(method);
  const found = recipe === undefined ? recipes[0] : recipes.find(({ name }) => name === recipe);
  if (!found) {
    const known = recipes.map(({ name }) => name).join(", ");
    throw new OptionError("buildConfig", "recipe", recipe, `is no recipe of ${type}; choose ${known}`);
  }
  const config = found.config({ r: 2, targetModules, virtualTokens: 2, steps: 10 });
  return Object.keys(options).length === 0 ? config : (config.with(options) as PeftConfig);
}
