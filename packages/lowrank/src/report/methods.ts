import {
  type AnyMethod,
  knownMethods,
  optionsOf,
  type PeftConfig,
  type Recipe,
  type RecipeSettings,
  recipesOf,
  registeredMethods,
} from "@lowrank/peft";

/**
 * A way of fine-tuning that commands know by name: a recipe of a method, or training the whole
 * model.
 */
export interface Method extends Omit<Recipe, "config"> {
  /** The method whose recipe it is; null: the whole model trains. */
  readonly peft: AnyMethod | null;
  /** Null: the whole model trains. */
  config(settings: RecipeSettings): PeftConfig | null;
}

/** A way of fine-tuning that trains an adapter. */
export interface AdapterMethod extends Method {
  readonly peft: AnyMethod;
  config(settings: RecipeSettings): PeftConfig;
}

/** The methods of the library, of which commands offer all. */
const libraryMethods = await knownMethods();

/** Returns all methods by PEFT's name, those that plugins registered last. */
export function offeredMethods(): readonly AnyMethod[] {
  return Object.values({ ...libraryMethods, ...registeredMethods() });
}

const full: Method = {
  name: "full",
  title: "full fine-tuning",
  learningRate: 1e-3,
  usualLearningRate: 2e-4,
  common: true,
  peft: null,
  config: () => null,
};

/** The recipes of all known methods. Throws where two have the same name. */
export function adapterMethods(): readonly AdapterMethod[] {
  const found = offeredMethods().flatMap((peft) =>
    recipesOf(peft).map((recipe) => ({
      ...recipe,
      peft,
      config: (settings: RecipeSettings) => recipe.config(settings),
    })),
  );
  for (const [i, { name, peft }] of found.entries()) {
    const other = name === full.name ? full : found.slice(0, i).find((method) => method.name === name);
    if (!other) continue;
    const whose = other.peft?.peftType ?? "training the whole model";
    throw new Error(`${peft.peftType}: its recipe is called ${name}, as one of ${whose}; give it another name`);
  }
  return commonFirst(found);
}

/** All ways of fine-tuning, those that are compared by default first. */
export function allMethods(): readonly Method[] {
  return commonFirst<Method>([full, ...adapterMethods()]);
}

function commonFirst<M extends Method>(methods: readonly M[]): M[] {
  return [...methods.filter(({ common }) => common), ...methods.filter(({ common }) => !common)];
}

/** The names of all ways of fine-tuning. */
export function methodNames(): string[] {
  return allMethods().map(({ name }) => name);
}

/** The names of the recipes of some methods. */
export function recipeNames(methods: readonly AnyMethod[]): string[] {
  return adapterMethods().flatMap(({ name, peft }) => (methods.includes(peft) ? [name] : []));
}

/** The method that commands take where none is named. */
export function defaultMethod(): AdapterMethod {
  return adapterMethods()[0];
}

/** Returns the ways of fine-tuning of these names. Throws, naming those there are, for others. */
export function findMethods(names: readonly string[]): Method[] {
  return names.map((name) => findMethod(name, allMethods()));
}

/** Returns the method of this name among some. Throws, naming them, where there is none. */
export function findMethod<M extends Method>(name: string, methods: readonly M[]): M {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  const known = methods.map((method) => method.name).join(", ");
  throw new Error(
    `there is no method ${JSON.stringify(name)}; there are ${known}, and --plugin <file> adds those that a module registers`,
  );
}

/** The options that choose a method whose base model is in 4 bits, in words. */
export function quantizedWords(): string {
  const names = adapterMethods().flatMap(({ name, quantized }) => (quantized ? [name] : []));
  return `--method ${names.join(" or ")}`;
}

/** Recipe settings that a user named, as opposed to defaults. */
export type NamedSettings = Partial<Pick<RecipeSettings, "targetModules" | "virtualTokens">>;

const settingFlags = { targetModules: "target-modules", virtualTokens: "virtual-tokens" } as const;

/**
 * Makes a method's configuration by its recipe. `named` settings replace what the recipe chooses, on every method that
 * has the option; a method without it ignores the setting. Returns null if the whole model trains.
 */
export function configFor(method: Method, settings: RecipeSettings, named: NamedSettings): PeftConfig | null {
  const config = method.config(settings);
  if (config === null || method.peft === null) return config;
  const options = optionsOf(method.peft);
  const changes: Record<string, unknown> = {};
  for (const [setting, flag] of Object.entries(settingFlags)) {
    const value = named[setting as keyof NamedSettings];
    const field = options.find((option) => option.flag === flag)?.field;
    if (value !== undefined && field !== undefined) changes[field] = value;
  }
  return config.with(changes);
}

/** Returns the settings whose flags are in `given`, a list such as `--target-modules`. */
export function namedSettings(settings: RecipeSettings, given: readonly string[]): NamedSettings {
  const names = Object.entries(settingFlags).filter(([, flag]) => given.includes(`--${flag}`));
  return Object.fromEntries(names.map(([name]) => [name, settings[name as keyof NamedSettings]]));
}
