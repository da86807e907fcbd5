import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { knownMethods } from "../methods/registry.ts";
import type { FactorForm, ProductForm } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { addWeightedFactors } from "./addWeightedFactors.ts";
import { addWeightedProducts } from "./addWeightedProducts.ts";
import { checkWeights } from "./unitedTargets.ts";
import type { WeightedAdapterOptions, WeightedAdapterReport } from "./weightedOptions.ts";

/** Adds an adapter that is the weighted sum of others, which stay unchanged. See `PeftModel.addWeightedAdapter`. */
export async function addWeightedAdapter(
  tuner: Tuner<Module>,
  adapters: readonly string[],
  weights: readonly number[],
  adapterName: string,
  options: WeightedAdapterOptions,
  onWarning: OnWarning,
): Promise<WeightedAdapterReport> {
  const sources = adapters.map((name) => tuner.adapter(name));
  checkWeights(sources, weights);
  const form = await commonForm(sources);
  return form.kind === "factors"
    ? addWeightedFactors(tuner, sources, weights, adapterName, options, form, onWarning)
    : addWeightedProducts(tuner, sources, weights, adapterName, options, form, onWarning);
}

/**
 * Returns how the adapters' method combines them. Throws if they have different methods, or if the method cannot be
 * combined.
 */
async function commonForm(sources: readonly Adapter[]): Promise<ProductForm<PeftConfig> | FactorForm> {
  for (const { name, method } of sources) {
    if (method.combines) continue;
    const able = Object.values(await knownMethods()).filter(({ combines }) => combines);
    const names = able.map(({ peftType }) => peftType).join(" and ");
    throw new Error(
      `addWeightedAdapter: adapter "${name}" is ${method.peftType}; only ${names} adapters can be combined, and only with adapters of the same method`,
    );
  }
  const [first] = sources;
  const other = sources.find(({ method }) => method !== first.method);
  if (!other) return first.method.combines as ProductForm<PeftConfig> | FactorForm;
  throw new Error(
    `addWeightedAdapter: adapter "${other.name}" is ${other.method.peftType}, and "${first.name}" is ${first.method.peftType}; all adapters must have the same method`,
  );
}
