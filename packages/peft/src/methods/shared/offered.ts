import type { PeftConfig } from "../../config/peftConfig.ts";
import { modulesToSaveOption, targetsOption, virtualTokensOption } from "./commonOptions.ts";
import { type AnyMethod, isPromptMethod } from "./method.ts";
import type { MethodOption, Recipe, RecipeSettings } from "./recipe.ts";

/**
 * Returns a method's recipes. If it defines none, returns one recipe with the configuration's defaults, named after
 * `peftType`.
 */
export function recipesOf(method: AnyMethod): readonly Recipe[] {
  if (method.recipes) return method.recipes;
  const { peftType, Config } = method;
  const name = peftType.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const make = Config as new (options: object) => PeftConfig;
  return [{ name, title: peftType, learningRate: 1e-3, config: (settings) => new make(ownSettings(method, settings)) }];
}

/**
 * Returns the command-line flags of a method. If it defines none, returns the flags common to all methods of its kind.
 */
export function optionsOf(method: AnyMethod): readonly MethodOption[] {
  return method.options ?? [isPromptMethod(method) ? virtualTokensOption : targetsOption, modulesToSaveOption];
}

/**
 * Returns the settings that the method's configuration requires: the number of virtual tokens for prompt methods, and
 * target modules for methods without default targets.
 */
function ownSettings(method: AnyMethod, { targetModules, virtualTokens }: RecipeSettings): object {
  if (isPromptMethod(method)) return { numVirtualTokens: virtualTokens };
  return Object.keys(method.defaultTargets).length > 0 || method.targets ? {} : { targetModules };
}
