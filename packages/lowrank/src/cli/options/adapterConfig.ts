import { type MethodOption, optionsOf, type PeftConfig, type RecipeSettings } from "@lowrank/peft";
import { type AdapterMethod, type Method, recipeNames } from "../../report/methods.ts";
import { describeProblem, listed, valueParser } from "../optionValue.ts";
import { adapterFlags, attributeOf, isSetting } from "./adapterFlags.ts";

/** Assumed number of training steps for methods with a rank schedule, while the actual number is not known yet. */
export const plannedSteps = 1000;

/** Default settings from which recipes (presets of adapter methods) create configurations. */
export const usualSettings: RecipeSettings = {
  r: 8,
  targetModules: "all-linear",
  virtualTokens: 20,
  steps: plannedSteps,
};

/** Returns the adapter flags that the command line sets, with their dashes. */
export function givenAdapterOptions(options: object): string[] {
  return givenFlags(options).map(({ flag }) => `--${flag}`);
}

function givenFlags(options: object): { flag: string; text: string }[] {
  return adapterFlags().flatMap(({ flag }) => {
    const text = (options as Record<string, unknown>)[attributeOf(flag)];
    return text === undefined ? [] : [{ flag, text: String(text) }];
  });
}

/**
 * Returns the settings from which recipes (presets of adapter methods) create configurations. A setting whose flag was
 * not given has its value from `defaults`.
 */
export function recipeSettings(options: object, defaults: RecipeSettings): RecipeSettings {
  const settings = { ...defaults } as Record<string, unknown>;
  for (const { flag, takers } of adapterFlags()) {
    const name = attributeOf(flag);
    const text = (options as Record<string, unknown>)[name];
    if (text !== undefined && isSetting(flag)) settings[name] = valueParser(takers[0].option)(String(text));
  }
  return settings as unknown as RecipeSettings;
}

/**
 * Builds a method's configuration from command-line options; null for full fine-tuning. `steps` is the number of
 * training steps. Throws for options that the method does not support, and for invalid values.
 */
export function toPeftConfig(method: AdapterMethod, options: object, steps: number): PeftConfig;
export function toPeftConfig(method: Method, options: object, steps: number): PeftConfig | null;
export function toPeftConfig({ name, peft, config }: Method, options: object, steps: number): PeftConfig | null {
  const given = givenFlags(options);
  if (peft === null) {
    if (given.length === 0) return null;
    throw new Error(`${givenAdapterOptions(options).join(", ")} is for an adapter; leave it out with --method ${name}`);
  }
  const own = optionsOf(peft);
  const unknown = given.find(({ flag }) => own.every((option) => option.flag !== flag));
  if (unknown) throw new Error(refusal(unknown.flag, name, own));
  const changes: Record<string, unknown> = {};
  const implied: Record<string, unknown> = {};
  for (const option of own) {
    const text = given.find(({ flag }) => flag === option.flag)?.text;
    if (text !== undefined) {
      changes[option.field] = fieldValue(option, text, name);
      Object.assign(implied, option.implies);
    } else if (option.default !== undefined) changes[option.field] = option.default;
  }
  const made = config(recipeSettings(options, { ...usualSettings, steps })) as PeftConfig;
  return made.with({ ...implied, ...changes });
}

function refusal(flag: string, name: string, own: readonly MethodOption[]): string {
  const takers = adapterFlags().find((known) => known.flag === flag)?.takers ?? [];
  const others = recipeNames(takers.map(({ method }) => method));
  const instead = others.length <= 4 ? `, or take --method ${listed(others)}` : "";
  const flags = own.map((option) => `--${option.flag}`).join(", ");
  return `--${flag} is no option of ${name}, which has ${flags || "none"}; leave it out${instead}`;
}

function fieldValue(option: MethodOption, text: string, name: string): unknown {
  const problem = describeProblem(option, text);
  if (problem === null) return valueParser(option)(text);
  throw new Error(`--${option.flag} is ${JSON.stringify(text)}, which ${name} does not accept. ${problem}`);
}
