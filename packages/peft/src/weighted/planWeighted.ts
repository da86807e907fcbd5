import type { PeftConfig } from "../config/peftConfig.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import { loadFact, type MethodFacts, type ProductForm, type StartSubtraction } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import { TorchGenerator } from "../random/torchGenerator.ts";
import type { Combination, CombinationType } from "./combineLayer.ts";
import type { WeightedAdapterOptions } from "./weightedOptions.ts";

const pruning = ["magnitude_prune", "ties", "dare_linear", "dare_ties"] as const;
const types: readonly CombinationType[] = [
  ...(["linear", "cat", "svd"] as const),
  ...pruning,
  ...pruning.map((kind) => `${kind}_svd` as const),
];

/**
 * Checks the adapters and options. Returns how to combine the factors, and the new adapter's configuration. Throws if
 * the adapters cannot be combined.
 */
export async function planWeighted(
  adapters: readonly Adapter[],
  options: WeightedAdapterOptions,
  form: ProductForm<PeftConfig>,
): Promise<{ combination: Combination; config: PeftConfig }> {
  for (const adapter of adapters) await checkCombinable(adapter, form);
  const type = adapters.length === 1 ? "linear" : (options.combinationType ?? "svd");
  const combination = { ...checked(options, type), type, rank: combinedRank(type, adapters, form, options.svdRank) };
  const [{ config }] = adapters;
  const targetModules = unitedTargets(adapters, "targetModules");
  return { combination, config: form.plain(config, combination.rank).with({ targetModules }) };
}

/** Throws for an adapter that does more than add products B A, such as train biases. */
async function checkCombinable({ name, method, config, swaps }: Adapter, form: ProductForm<PeftConfig>): Promise<void> {
  const refuse = (what: string): never => {
    throw new Error(`addWeightedAdapter: adapter "${name}" ${what}`);
  };
  const besides = form.besides(config);
  if (besides !== null) refuse(besides);
  const { bias = "none", tokens = null } = isPromptMethod(method)
    ? {}
    : { bias: method.bias?.(config), tokens: method.trainableTokens?.(config) };
  if (bias !== "none" || swaps.size > 0) refuse("has its own biases or tables, which cannot be combined");
  if (config.modulesToSave?.length)
    refuse(`trains all weights of ${config.modulesToSave.join(", ")} (modulesToSave), which cannot be combined`);
  if (tokens) refuse("trains rows of embeddings (trainableTokenIndices), which cannot be combined");
  const { startsFromWeights, subtractsStart }: MethodFacts<PeftConfig> = method;
  const start = startsFromWeights?.(config) ?? null;
  if (!start) return;
  const subtraction = await loadFact<StartSubtraction<PeftConfig>>(subtractsStart);
  const advice =
    subtraction?.refusal(config) === null
      ? "save it with pathInitialModelForWeightConversion and combine the saved adapter"
      : "merge it instead";
  refuse(`was initialised by ${start.name}, which changed the base weights; ${advice}`);
}

function checked(options: WeightedAdapterOptions, type: CombinationType): Omit<Combination, "type" | "rank"> {
  const { density = null, majoritySignMethod = "total", svdClamp = null, svdRank = null, seed = 0 } = options;
  const refuse = (key: string, value: unknown, must: string): never => {
    throw new Error(`addWeightedAdapter: ${key} is ${JSON.stringify(value)}; it must be ${must}`);
  };
  if (!types.includes(type)) refuse("combinationType", type, `one of ${types.join(", ")}`);
  const prunes = pruning.some((kind) => type.startsWith(kind));
  if (prunes && density === null) refuse("density", null, `the share of elements to keep, since ${type} prunes`);
  if (density !== null && !(density > 0 && density <= 1)) refuse("density", density, "above 0 and up to 1");
  if (!["total", "frequency"].includes(majoritySignMethod)) {
    refuse("majoritySignMethod", majoritySignMethod, '"total" or "frequency"');
  }
  if (svdClamp !== null && !(svdClamp > 0 && svdClamp <= 1)) refuse("svdClamp", svdClamp, "above 0 and up to 1");
  if (svdRank !== null && !(Number.isInteger(svdRank) && svdRank > 0)) {
    refuse("svdRank", svdRank, "an integer of at least 1");
  }
  return { density: density ?? 1, majoritySignMethod, svdClamp, generator: new TorchGenerator(seed) };
}

function combinedRank(
  type: CombinationType,
  adapters: readonly Adapter[],
  form: ProductForm<PeftConfig>,
  svdRank?: number | null,
): number {
  const ranks = adapters.map(({ config }) => form.rank(config));
  if (type === "cat") return ranks.reduce((sum, r) => sum + r);
  if (type.endsWith("svd")) return svdRank ?? Math.max(...ranks);
  if (new Set(ranks).size > 1) {
    const listed = adapters.map(({ name }, i) => `${name} ${ranks[i]}`).join(", ");
    throw new Error(
      `addWeightedAdapter: combinationType "${type}" needs equal ranks, but they are ${listed}; use "cat", or a type that ends in "svd"`,
    );
  }
  return ranks[0];
}

/** Throws if no adapters are given, or if there is not exactly one finite weight per adapter. */
export function checkWeights(adapters: readonly Adapter[], weights: readonly number[]): void {
  if (adapters.length === 0) throw new Error("addWeightedAdapter: no adapters are given; name at least one");
  if (weights.length !== adapters.length) {
    throw new Error(
      `addWeightedAdapter: ${weights.length} weights for ${adapters.length} adapters; give one weight for each adapter`,
    );
  }
  const wrong = weights.findIndex((weight) => !Number.isFinite(weight));
  if (wrong < 0) return;
  throw new Error(`addWeightedAdapter: weights[${wrong}] is ${weights[wrong]}; it must be a finite number`);
}

/**
 * Returns the union of the modules that the configuration field `key` names in all adapters. The result is a list if
 * all adapters have lists, and one regular expression if all have expressions. Throws if some have lists and others
 * have expressions.
 */
export function unitedTargets(adapters: readonly Adapter[], key: string): readonly string[] | string {
  const targets = adapters.map(({ config }) => {
    const value = (config as unknown as Record<string, readonly string[] | string | null>)[key];
    return value ?? [];
  });
  const expressions = targets.filter((target) => typeof target === "string");
  if (expressions.length === 0) return [...new Set((targets as (readonly string[])[]).flat())];
  if (expressions.length === targets.length) return [...new Set(expressions)].map((target) => `(${target})`).join("|");
  const listed = adapters.map(({ name }, i) => `${name} ${JSON.stringify(targets[i])}`).join(", ");
  throw new Error(
    `addWeightedAdapter: ${key} must be a list in all adapters, or a regular expression in all; they are ${listed}`,
  );
}

/** Throws if the new adapter lacks a layer that one of the combined adapters has. */
export function checkCovered({ report }: Adapter, sources: readonly Adapter[]): void {
  for (const { name, report: own } of sources) {
    const missing = own.matched.filter((path) => !report.matched.includes(path));
    if (missing.length === 0) continue;
    throw new Error(
      `addWeightedAdapter: adapter "${name}" adapts ${missing.join(", ")}, which layersToTransform, layersPattern or excludeModules of the first adapter leave out; give all adapters the same values of these options`,
    );
  }
}
