import type { PeftConfig } from "../config/peftConfig.ts";
import { loraFlags, loraRecipes } from "./lora/loraRecipes.ts";
import { modulesToSaveOption, targetsOption, virtualTokensOption } from "./shared/commonOptions.ts";
import { type AnyMethod, isPromptMethod } from "./shared/method.ts";
import type { MethodOption, Recipe, RecipeSettings } from "./shared/recipe.ts";

type Offer = Pick<AnyMethod, "recipes" | "options">;

/** Recipes and flags by the names in the field `offer` of methods. */
const offers: Readonly<Record<NonNullable<AnyMethod["offer"]>, Offer>> = {
  lora: { recipes: loraRecipes, options: loraFlags },
};

/** Returns a method's recipes and flags, from its object or from a separate file. */
function offerOf(method: AnyMethod): Offer {
  return { ...(method.offer && offers[method.offer]), ...method };
}

/**
 * Returns a method's recipes. If it defines none, returns one recipe with the configuration's defaults, named after
 * `peftType`.
 */
export function recipesOf(method: AnyMethod): readonly Recipe[] {
  const { recipes } = offerOf(method);
  if (recipes) return recipes;
  const { peftType, Config } = method;
  const name = peftType.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const make = Config as new (options: object) => PeftConfig;
  return [{ name, title: peftType, learningRate: 1e-3, config: (settings) => new make(ownSettings(method, settings)) }];
}

/**
 * Returns the command-line flags of a method. If it defines none, returns the flags common to all methods of its kind.
 */
export function optionsOf(method: AnyMethod): readonly MethodOption[] {
  return offerOf(method).options ?? [isPromptMethod(method) ? virtualTokensOption : targetsOption, modulesToSaveOption];
}

/**
 * Returns the settings that the method's configuration requires: the number of virtual tokens for prompt methods, and
 * target modules for methods without default targets.
 */
function ownSettings(method: AnyMethod, { targetModules, virtualTokens }: RecipeSettings): object {
  if (isPromptMethod(method)) return { numVirtualTokens: virtualTokens };
  return Object.keys(method.defaultTargets).length > 0 || method.targets ? {} : { targetModules };
}
