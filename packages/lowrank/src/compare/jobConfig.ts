import { type MethodOption, optionsOf, type PeftConfig, type RecipeSettings } from "@lowrank/peft";
import { valueParser } from "../cli/optionValue.ts";
import { configFor, type Method, type NamedSettings } from "../report/methods.ts";

/** Value of the option that sets a method's number of trained parameters. */
export interface ChosenSize {
  /** Flag of the option, without its dashes. */
  readonly flag: string;
  readonly value: number;
}

/** Values of a method's options, by flags without dashes, as texts of the command line. */
export type SetOptions = Readonly<Record<string, string>>;

/** The setting of recipes, for methods without a flag of this name. */
const virtualTokens: MethodOption = {
  ...{ field: "numVirtualTokens", flag: "virtual-tokens", type: "integer", least: 1, help: "virtual tokens" },
};

/** Returns the option that sets the size of a method; null for a method of fixed size. */
export function sizeOptionOf(method: Method): MethodOption | null {
  if (method.peft === null) return null;
  const options = optionsOf(method.peft);
  const named = (flag: string) => options.find((option) => option.flag === flag);
  if (method.sizeOption === undefined) return named("r") ?? named("virtual-tokens") ?? null;
  if (method.sizeOption === "virtual-tokens") return named("virtual-tokens") ?? virtualTokens;
  const found = named(method.sizeOption);
  if (found) return found;
  throw new Error(
    `the recipe ${method.name} has the sizeOption "${method.sizeOption}", which is no flag of its method`,
  );
}

/**
 * Makes a method's configuration from its recipe. `size` and `set` replace the recipe's values. Returns null for full
 * fine-tuning. Throws for a flag in `set` that the method does not have, or whose value is invalid.
 */
export function jobConfig(
  method: Method,
  settings: RecipeSettings,
  named: NamedSettings,
  size?: ChosenSize,
  set: SetOptions = {},
): PeftConfig | null {
  const changes: Record<string, unknown> = {};
  for (const [flag, text] of Object.entries(set)) {
    const option = optionNamed(method, flag);
    changes[option.field] = parsedValue(option, text);
  }
  const config = recipeConfig(method, settings, named, size);
  if (config === null) return null;
  const field = size && sizeOptionOf(method)?.field;
  // A recipe can ignore the settings for rank and number of tokens.
  if (field && (config as unknown as Record<string, unknown>)[field] !== size.value) changes[field] = size.value;
  return config.with(changes);
}

/** Makes a recipe's configuration, in which other values can follow from the rank or from the number of tokens. */
function recipeConfig(
  method: Method,
  settings: RecipeSettings,
  named: NamedSettings,
  size: ChosenSize | undefined,
): PeftConfig | null {
  if (size?.flag === "r") return configFor(method, { ...settings, r: size.value }, named);
  if (size?.flag !== "virtual-tokens") return configFor(method, settings, named);
  const { targetModules } = named;
  return configFor(
    method,
    { ...settings, virtualTokens: size.value },
    targetModules === undefined ? {} : { targetModules },
  );
}

function optionNamed(method: Method, flag: string): MethodOption {
  const options = method.peft === null ? [] : optionsOf(method.peft);
  const found = options.find((option) => option.flag === flag);
  if (found) return found;
  const flags = options.map((option) => option.flag);
  const have = flags.length > 0 ? `it has ${flags.join(", ")}` : "it has none";
  throw new Error(`--set ${method.name}.${flag}: ${method.name} has no option ${flag}; ${have}`);
}

function parsedValue(option: MethodOption, text: string): unknown {
  try {
    if (option.type === "boolean" && text !== "true") throw new Error("Expected true.");
    return valueParser(option)(text);
  } catch (error) {
    throw new Error(`--set: ${option.flag}=${text}: ${(error as Error).message}`, { cause: error });
  }
}
