import { OptionError } from "@lowrank/core";
import { type AnyMethod, knownMethods, type MethodOption, optionsOf, recipesOf } from "@lowrank/peft";
import { isPromptMethod } from "@lowrank/peft/internal";
import fc from "fast-check";
import {
  acceptsTargets,
  type ConfigDescription,
  configFrom,
  descriptionSettings,
} from "../subjects/configDescription.ts";
import { isLarge, smallValues } from "../subjects/smallOptions.ts";

/**
 * Returns an arbitrary of fast-check that draws configurations of a method: one of its recipes, default targets or
 * "all-linear", and values of the options that the method offers (`optionsOf`). This works for all methods of
 * @lowrank/peft and for methods that `registerPeftMethod` added. Only configurations that the method accepts are drawn.
 * Failing configurations shrink to the first recipe with few options. `buildConfig` makes the configuration.
 *
 * Throws `OptionError` if `method` is not registered.
 *
 * @example
 * ```ts
 * const configs = await arbitraryConfig("LORA");
 * await fc.assert(fc.asyncProperty(configs, (config) => mergeEqualsUnmerged(smallestModel, config)));
 * ```
 */
export async function arbitraryConfig(method: string): Promise<fc.Arbitrary<ConfigDescription>> {
  const methods = await knownMethods();
  const found = methods[method];
  if (found) return configsOf(found);
  throw new OptionError(
    "arbitraryConfig",
    "method",
    method,
    `is not registered; choose ${Object.keys(methods).join(", ")}`,
  );
}

/** Returns the arbitrary of a loaded method. */
export function configsOf(method: AnyMethod): fc.Arbitrary<ConfigDescription> {
  const hasDefaults =
    isPromptMethod(method) || !acceptsTargets(method) || Object.keys(method.defaultTargets).length > 0;
  const targets = [...(hasDefaults ? [null] : []), ...(acceptsTargets(method) ? ["all-linear"] : [])];
  const [recipe] = recipesOf(method);
  const plain = recipe.config({ ...descriptionSettings, targetModules: null });
  const fields = optionsOf(method).flatMap((option) => {
    const values = smallValues(option);
    return values.length > 0 ? [[option.field, drawn(values, option, isLarge(plain, option))] as const] : [];
  });
  const all = fc.record({
    method: fc.constant(method.peftType),
    recipe: fc.constantFrom(...recipesOf(method).map(({ name }) => name)),
    targetModules: fc.constantFrom(...targets),
    options: fc
      .record(Object.fromEntries(fields))
      .map((options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))),
  });
  return all.filter((description) => isValid(method, description));
}

function drawn(values: readonly unknown[], { type }: MethodOption, always: boolean): fc.Arbitrary<unknown> {
  const value = fc.constantFrom(...values);
  if (always) return value;
  // Texts choose biases and initialisations, to which many properties do not apply. So they are drawn less often.
  if (type === "text") {
    const none = { weight: 4, arbitrary: fc.constant(undefined) };
    return fc.oneof({ withCrossShrink: true }, none, { weight: 1, arbitrary: value });
  }
  return fc.option(value, { nil: undefined });
}

function isValid(method: AnyMethod, description: ConfigDescription): boolean {
  try {
    configFrom(method, description);
    return true;
  } catch {
    return false;
  }
}
