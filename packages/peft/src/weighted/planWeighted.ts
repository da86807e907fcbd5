import type { Adapter } from "../adapter.ts";
import { LoraConfig } from "../methods/loraConfig.ts";
import { TorchGenerator } from "../random/torchGenerator.ts";
import type { Combination, CombinationType } from "./combineLayer.ts";
import type { WeightedAdapterOptions } from "./weightedOptions.ts";

const pruning = ["magnitude_prune", "ties", "dare_linear", "dare_ties"] as const;
const types: readonly CombinationType[] = [
  ...(["linear", "cat", "svd"] as const),
  ...pruning,
  ...pruning.map((kind) => `${kind}_svd` as const),
];

/** Checks what is asked for, and gives the new adapter's configuration. Throws for what cannot be combined. */
export function planWeighted(
  adapters: readonly Adapter[],
  weights: readonly number[],
  options: WeightedAdapterOptions,
): { combination: Combination; config: LoraConfig } {
  if (adapters.length === 0) throw new Error("addWeightedAdapter: no adapters are given; name at least one");
  if (weights.length !== adapters.length) {
    throw new Error(`addWeightedAdapter: ${weights.length} weights for ${adapters.length} adapters; give each one`);
  }
  const wrong = weights.findIndex((weight) => !Number.isFinite(weight));
  if (wrong >= 0)
    throw new Error(`addWeightedAdapter: weights[${wrong}] is ${weights[wrong]}; it must be a finite number`);
  const configs = adapters.map(combinable);
  const type = adapters.length === 1 ? "linear" : (options.combinationType ?? "svd");
  const combination = { ...checked(options, type), type, rank: combinedRank(type, adapters, configs, options.svdRank) };
  const { rank } = combination;
  const changes = { r: rank, loraAlpha: rank, useRslora: false, rankPattern: {}, alphaPattern: {} };
  return { combination, config: configs[0].with({ ...changes, targetModules: unitedTargets(adapters, configs) }) };
}

/** The configuration of an adapter that is a sum of products; throws for one that is more than that. */
function combinable({ name, config, swaps }: Adapter): LoraConfig {
  const refuse = (what: string): never => {
    throw new Error(`addWeightedAdapter: adapter "${name}" ${what}`);
  };
  if (!(config instanceof LoraConfig)) return refuse(`is ${config.peftType}; only LORA adapters can be combined`);
  if (config.useDora) refuse("has useDora: lengths of rows cannot be added up; merge it into the weights instead");
  if (config.loraBias) refuse("has loraBias, which has no place in a combination; train it without");
  if (config.bias !== "none" || swaps.size > 0) refuse("has biases or tables of its own, which cannot be combined");
  if (config.modulesToSave?.length) refuse(`trains ${config.modulesToSave.join(", ")} whole, which cannot be combined`);
  if (config.trainableTokenIndices)
    refuse("trains rows of embeddings (trainableTokenIndices), which cannot be combined");
  if (/^(pissa|olora)/.test(`${config.initLoraWeights}`)) {
    refuse(
      `started from ${config.initLoraWeights}, and belongs to base weights of its own; save it with pathInitialModelForWeightConversion and combine what that gives`,
    );
  }
  return config;
}

function checked(options: WeightedAdapterOptions, type: CombinationType): Omit<Combination, "type" | "rank"> {
  const { density = null, majoritySignMethod = "total", svdClamp = null, svdRank = null, seed = 0 } = options;
  const refuse = (key: string, value: unknown, must: string): never => {
    throw new Error(`addWeightedAdapter: ${key} is ${JSON.stringify(value)}; it must be ${must}`);
  };
  if (!types.includes(type)) refuse("combinationType", type, `one of ${types.join(", ")}`);
  const prunes = pruning.some((kind) => type.startsWith(kind));
  if (prunes && density === null) refuse("density", null, `the share of numbers to keep, since ${type} prunes`);
  if (density !== null && !(density > 0 && density <= 1)) refuse("density", density, "above 0 and up to 1");
  if (!["total", "frequency"].includes(majoritySignMethod)) {
    refuse("majoritySignMethod", majoritySignMethod, '"total" or "frequency"');
  }
  if (svdClamp !== null && !(svdClamp > 0 && svdClamp < 1)) refuse("svdClamp", svdClamp, "above 0 and below 1");
  if (svdRank !== null && !(Number.isInteger(svdRank) && svdRank > 0)) {
    refuse("svdRank", svdRank, "an integer of at least 1");
  }
  return { density: density ?? 1, majoritySignMethod, svdClamp, generator: new TorchGenerator(seed) };
}

function combinedRank(
  type: CombinationType,
  adapters: readonly Adapter[],
  configs: readonly LoraConfig[],
  svdRank?: number | null,
): number {
  const ranks = configs.map(({ r, rankPattern }) => Math.max(r, ...Object.values(rankPattern)));
  if (type === "cat") return ranks.reduce((sum, r) => sum + r);
  if (type.endsWith("svd")) return svdRank ?? Math.max(...ranks);
  if (new Set(ranks).size > 1) {
    const listed = adapters.map(({ name }, i) => `${name} ${ranks[i]}`).join(", ");
    throw new Error(
      `addWeightedAdapter: ${type} needs adapters of one rank, and these have ${listed}; use cat, or a type that ends in svd`,
    );
  }
  return ranks[0];
}

/** Where any of the adapters go: names together, or expressions side by side. */
function unitedTargets(adapters: readonly Adapter[], configs: readonly LoraConfig[]): readonly string[] | string {
  const targets = configs.map(({ targetModules }) => targetModules ?? []);
  const expressions = targets.filter((target) => typeof target === "string");
  if (expressions.length === 0) return [...new Set((targets as (readonly string[])[]).flat())];
  if (expressions.length === targets.length) return [...new Set(expressions)].map((target) => `(${target})`).join("|");
  const listed = adapters.map(({ name }, i) => `${name} ${JSON.stringify(targets[i])}`).join(", ");
  throw new Error(
    `addWeightedAdapter: targetModules must be lists for all adapters or expressions for all; they are ${listed}`,
  );
}
