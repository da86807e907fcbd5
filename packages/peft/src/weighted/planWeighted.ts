import { LoraConfig } from "../methods/loraConfig.ts";
import type { Adapter } from "../model/adapter.ts";
import { TorchGenerator } from "../random/torchGenerator.ts";
import type { Combination, CombinationType } from "./combineLayer.ts";
import { unitedTargets } from "./unitedTargets.ts";
import type { WeightedAdapterOptions } from "./weightedOptions.ts";

const pruning = ["magnitude_prune", "ties", "dare_linear", "dare_ties"] as const;
const types: readonly CombinationType[] = [
  ...(["linear", "cat", "svd"] as const),
  ...pruning,
  ...pruning.map((kind) => `${kind}_svd` as const),
];

/**
 * Checks what is asked for, and gives the new adapter's configuration. Throws for
 * what cannot be combined.
 */
export function planWeighted(
  adapters: readonly Adapter[],
  options: WeightedAdapterOptions,
): { combination: Combination; config: LoraConfig } {
  const configs = adapters.map(combinable);
  const type = adapters.length === 1 ? "linear" : (options.combinationType ?? "svd");
  const combination = { ...checked(options, type), type, rank: combinedRank(type, adapters, configs, options.svdRank) };
  const { rank } = combination;
  const plain = { initLoraWeights: true, useRslora: false, rankPattern: {}, alphaPattern: {} };
  const changes = { ...plain, r: rank, loraAlpha: rank };
  return {
    combination,
    config: configs[0].with({ ...changes, targetModules: unitedTargets(adapters, "targetModules") }),
  };
}

/**
 * The configuration of an adapter that is a sum of products; throws for one that is more than that.
 */
function combinable({ name, config, swaps }: Adapter): LoraConfig {
  const refuse = (what: string): never => {
    throw new Error(`addWeightedAdapter: adapter "${name}" ${what}`);
  };
  if (!(config instanceof LoraConfig))
    return refuse(`is ${config.peftType}; only LORA and IA3 adapters can be combined, each with its kind`);
  if (config.useDora) refuse("has useDora: lengths of rows cannot be added up; merge it into the weights instead");
  if (config.loraBias) refuse("has loraBias, which has no place in a combination; train it without");
  if (config.bias !== "none" || swaps.size > 0) refuse("has biases or tables of its own, which cannot be combined");
  if (config.modulesToSave?.length) refuse(`trains ${config.modulesToSave.join(", ")} whole, which cannot be combined`);
  if (config.trainableTokenIndices)
    refuse("trains rows of embeddings (trainableTokenIndices), which cannot be combined");
  const start = /^(pissa|olora|loftq)/.exec(`${config.initLoraWeights}`)?.[0];
  if (start !== undefined) {
    const advice = "save it with pathInitialModelForWeightConversion and combine what that gives";
    refuse(
      `started from ${start}, and belongs to base weights of its own; ${start === "loftq" ? "merge it instead" : advice}`,
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
  if (svdClamp !== null && !(svdClamp > 0 && svdClamp <= 1)) refuse("svdClamp", svdClamp, "above 0 and up to 1");
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
