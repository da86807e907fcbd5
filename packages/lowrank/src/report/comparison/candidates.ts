import { OptionError } from "@lowrank/core";
import { checkOptions, nearestName } from "@lowrank/core/internal";
import type { QuantizeOptions } from "@lowrank/nn";
import { type AnyMethod, knownMethods, optionsOf, PeftConfig, type Recipe, recipesOf } from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import type { ComparedMethod, ComparedQuantization, NamedMethod, Targets } from "./methodComparison.ts";

/** Values by which methods are multiplied, and settings of recipes. */
export interface Variation {
  /** Ranks of every method; undefined: configurations keep theirs, and others have the rank 8. */
  readonly ranks?: readonly number[];
  /** Target modules of every method that has targets; undefined: each method's own. */
  readonly targets?: readonly Targets[];
  /** Quantisations of each method that does not define one itself. */
  readonly quantizations: readonly ComparedQuantization[];
  /** Virtual tokens of prompt methods; undefined: configurations keep theirs, and recipes have 20. */
  readonly virtualTokens?: number;
}

/** One row to compute: a method, one configuration of it, and a quantisation. */
export interface Candidate {
  readonly name: string;
  readonly rank: number | null;
  readonly quantization: QuantizeOptions | null;
  /** Target modules; undefined if the method has none, or has its own defaults. */
  readonly targets?: NonNullable<Targets>;
  /** The configuration; null for full fine-tuning; the error if it could not be made. */
  readonly config: PeftConfig | null | Error;
}

/** Rank, targets and virtual tokens of recipes without other settings. */
export const defaultSettings = { r: 8, targetModules: "all-linear", virtualTokens: 20, steps: 1000 } as const;

/** Quantisation of the base model for recipes that quantise it, such as "qlora". */
export const recipeQuantization = { quantType: "nf4", doubleQuant: true } as const;

/**
 * Returns a candidate for each method with each rank, targets and quantisation. Values that a method does not have do
 * not multiply it. Throws `OptionError` for an unknown name.
 */
export async function candidatesOf(methods: readonly ComparedMethod[], variation: Variation): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const method of methods) found.push(...(await variantsOf(method, variation)));
  return found;
}

const isEntry = (method: ComparedMethod): method is NamedMethod =>
  typeof method === "object" && method !== null && !(method instanceof PeftConfig);

async function variantsOf(method: ComparedMethod, variation: Variation): Promise<Candidate[]> {
  const entry: NamedMethod = isEntry(method) ? method : { config: method };
  const source = await sourceOf(entry);
  const quantizations = source.quantization === undefined ? variation.quantizations : [source.quantization];
  const seen = new Set<string>();
  const found: Candidate[] = [];
  for (const r of variation.ranks ?? [undefined]) {
    for (const targets of variation.targets ?? [undefined]) {
      for (const given of quantizations) {
        const quantization = quantizeOptions(given);
        const { config, rank } = await configOf(source, { r, targets, virtualTokens: variation.virtualTokens });
        const key = JSON.stringify([config instanceof Error ? config.message : config, quantization]);
        // A method without a rank or targets is the same for all of them.
        if (seen.has(key)) continue;
        seen.add(key);
        const used = (config instanceof Error ? targets : config?.targetModules) ?? undefined;
        found.push({ name: source.name ?? (await titleOf(config)), rank, quantization, targets: used, config });
      }
    }
  }
  return found;
}

/** Returns the options of `quantize`. Throws for a type that does not exist, and for unknown options. */
function quantizeOptions(given: ComparedQuantization): QuantizeOptions | null {
  if (given === null) return null;
  const options = typeof given === "string" ? { quantType: given } : given;
  const { quantType = "nf4" } = options;
  if (quantType !== "nf4" && quantType !== "fp4") {
    const problem = `is ${JSON.stringify(quantType)}; give "nf4", "fp4", the options of quantize, or null`;
    throw new OptionError("compareMethods", "quantization", given, problem);
  }
  const keys = { quantType: true, blockSize: true, doubleQuant: true, skipModules: true } as const;
  checkOptions<QuantizeOptions>("compareMethods: quantization", options, keys);
  return options;
}

interface Settings {
  readonly r?: number;
  readonly targets?: Targets;
  readonly virtualTokens?: number;
}

/** A method with a function that makes its configuration. `own` is true if it keeps its rank without a given one. */
interface Source {
  readonly name?: string;
  readonly quantization?: ComparedQuantization;
  make(settings: Settings): PeftConfig | null;
  /** True if `make` uses the rank. Otherwise the rank is set on the configuration that it returns. */
  readonly takesRank: boolean;
}

async function sourceOf({ name, config, quantization }: NamedMethod): Promise<Source> {
  if (config === "full" || config === null) {
    return { name: name ?? "full fine-tuning", quantization, make: () => null, takesRank: true };
  }
  if (typeof config === "string") {
    const recipe = await recipeNamed(config);
    const own = recipe.quantized ? recipeQuantization : undefined;
    const make = ({ r = defaultSettings.r, virtualTokens, targets }: Settings) =>
      recipe.config({
        ...defaultSettings,
        r,
        ...(virtualTokens !== undefined && { virtualTokens }),
        ...(targets !== undefined && { targetModules: targets }),
      });
    return { name: name ?? recipe.title, quantization: quantization ?? own, make, takesRank: true };
  }
  if (typeof config === "function") {
    const make = ({ r = defaultSettings.r }: Settings) => config(r);
    return { name, quantization, make, takesRank: true };
  }
  if (config instanceof PeftConfig) return { name, quantization, make: () => config, takesRank: false };
  const how = 'give a configuration, the name of a method such as "lora", a function of the rank, or null';
  throw new OptionError("compareMethods", "configs", config, `contains ${String(config)}; ${how}`);
}

/** Makes a configuration. Explicit targets and virtual tokens replace the values of each method that has them. */
async function configOf(
  source: Source,
  settings: Settings,
): Promise<{ config: PeftConfig | null | Error; rank: number | null }> {
  try {
    const made = source.make(settings);
    if (made === null) return { config: null, rank: null };
    const method = await methodOf(made);
    const changes: Record<string, unknown> = {};
    const change = (flag: string, value: unknown) => {
      const field = fieldOf(method, flag);
      if (field !== undefined && value !== undefined) changes[field] = value;
    };
    if (!source.takesRank) change("r", settings.r);
    change("target-modules", settings.targets);
    change("virtual-tokens", settings.virtualTokens);
    const config = Object.keys(changes).length === 0 ? made : made.with(changes);
    const rank = (config as unknown as Record<string, unknown>)[fieldOf(method, "r") ?? ""];
    return { config, rank: typeof rank === "number" && rank > 0 ? rank : null };
  } catch (error) {
    return { config: error as Error, rank: settings.r ?? null };
  }
}

/** Returns the field of a method's configuration that a flag of the commands sets. Undefined if there is none. */
const fieldOf = (method: AnyMethod, flag: string): string | undefined =>
  optionsOf(method).find((option) => option.flag === flag)?.field;

/** Fields in which configurations of one recipe differ. */
const varying = new Set(["r", "loraAlpha", "alpha", "targetModules", "numVirtualTokens", "taskType"]);

/** Returns the title of the recipe whose configuration is most similar, such as "DoRA" for LoRA with `useDora`. */
async function titleOf(config: PeftConfig | null | Error): Promise<string> {
  if (config === null) return "full fine-tuning";
  if (config instanceof Error) return "method";
  const recipes = recipesOf(await methodOf(config)).filter(({ quantized }) => !quantized);
  const differences = recipes.map((recipe) => {
    const made = recipe.config(defaultSettings) as unknown as Record<string, unknown>;
    const fields = Object.entries(config).filter(([field]) => !varying.has(field));
    return fields.filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(made[field])).length;
  });
  return recipes[differences.indexOf(Math.min(...differences))].title;
}

/** Returns the recipe with this name. Throws `OptionError` if there is none, and suggests a similar name. */
async function recipeNamed(name: string): Promise<Recipe> {
  const recipes = Object.values(await knownMethods()).flatMap(recipesOf);
  const found = recipes.find((recipe) => recipe.name === name);
  if (found) return found;
  const names = ["full", ...recipes.map((recipe) => recipe.name)];
  const near = nearestName(name, names);
  const advice = near === null ? `there are ${names.join(", ")}` : `did you mean ${JSON.stringify(near)}?`;
  throw new OptionError("compareMethods", "configs", name, `has no method ${JSON.stringify(name)}; ${advice}`);
}
