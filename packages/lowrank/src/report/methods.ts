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

/** Fine-tuning method of the command line: a recipe of a PEFT method, or full fine-tuning. */
export interface Method extends Omit<Recipe, "config"> {
  /** PEFT method to which the recipe belongs; null for full fine-tuning. */
  readonly peft: AnyMethod | null;
  /** Makes the method's configuration; null for full fine-tuning. */
  config(settings: RecipeSettings): PeftConfig | null;
}

/** Fine-tuning method with an adapter. */
export interface AdapterMethod extends Method {
  readonly peft: AnyMethod;
  config(settings: RecipeSettings): PeftConfig;
}

/** Methods of the library. The commands offer all of them. */
const libraryMethods = await knownMethods();

/** Returns all registered methods: first the methods of the library, then the methods from plugins. */
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

/** Returns the recipes of all registered methods as methods of the command line. Throws if two have the same name. */
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
    throw new Error(`${peft.peftType}: its recipe name ${name} is already used by ${whose}; give it another name`);
  }
  return commonFirst(found);
}

/** Returns all fine-tuning methods. Methods that `compare` runs by default come first. */
export function allMethods(): readonly Method[] {
  return commonFirst<Method>([full, ...adapterMethods()]);
}

function commonFirst<M extends Method>(methods: readonly M[]): M[] {
  return [...methods.filter(({ common }) => common), ...methods.filter(({ common }) => !common)];
}

/** Returns the names of all fine-tuning methods. */
export function methodNames(): string[] {
  return allMethods().map(({ name }) => name);
}

/** Returns the recipe names of the given methods. */
export function recipeNames(methods: readonly AnyMethod[]): string[] {
  return adapterMethods().flatMap(({ name, peft }) => (methods.includes(peft) ? [name] : []));
}

/** Returns the method that commands use by default. */
export function defaultMethod(): AdapterMethod {
  return adapterMethods()[0];
}

/** Returns the fine-tuning methods with these names. Throws for an unknown name, with the list of names. */
export function findMethods(names: readonly string[]): Method[] {
  return names.map((name) => findMethod(name, allMethods()));
}

/** Returns the method with this name. Throws if there is none, with the list of names. */
export function findMethod<M extends Method>(name: string, methods: readonly M[]): M {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  const known = methods.map((method) => method.name).join(", ");
  throw new Error(
    `there is no method ${JSON.stringify(name)}; there are ${known}, and --plugin <file> adds the methods that a module registers`,
  );
}

/** Returns the `--method` options that quantise the base model to 4 bits, as text for messages. */
export function quantizedWords(): string {
  const names = adapterMethods().flatMap(({ name, quantized }) => (quantized ? [name] : []));
  return `--method ${names.join(" or ")}`;
}

/** Recipe settings that the user gave. Other settings have their defaults. */
export type NamedSettings = Partial<Pick<RecipeSettings, "targetModules" | "virtualTokens">>;

const settingFlags = { targetModules: "target-modules", virtualTokens: "virtual-tokens" } as const;

/**
 * Makes a method's configuration from its recipe. The values in `named` replace the recipe's values. A method that has
 * no option for a value ignores it. Returns null for full fine-tuning.
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

/**
 * Returns only the settings that the user has set. `given` contains the user's flags with their dashes, such as
 * "--target-modules".
 */
export function namedSettings(settings: RecipeSettings, given: readonly string[]): NamedSettings {
  const names = Object.entries(settingFlags).filter(([, flag]) => given.includes(`--${flag}`));
  return Object.fromEntries(names.map(([name]) => [name, settings[name as keyof NamedSettings]]));
}
