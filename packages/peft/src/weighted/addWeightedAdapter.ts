import { copyInto, noGrad, tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { knownMethods } from "../methods/registry.ts";
import type { FactorForm, ProductForm } from "../methods/shared/methodFacts.ts";
import { type Adapter, filePrefix } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { addWeightedProducts } from "./addWeightedProducts.ts";
import { checkCovered, checkWeights, unitedTargets } from "./planWeighted.ts";
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

/**
 * Adds an adapter whose factors are the weighted sum of other adapters' factors, for (IA)³. Throws if their layers
 * differ.
 */
async function addWeightedFactors(
  tuner: Tuner<Module>,
  sources: readonly Adapter[],
  weights: readonly number[],
  adapterName: string,
  { combinationType = "linear" }: WeightedAdapterOptions,
  form: FactorForm,
  onWarning: OnWarning,
): Promise<WeightedAdapterReport> {
  const [{ method, config: first }] = sources;
  if (combinationType !== "linear") {
    throw new Error(
      `addWeightedAdapter: combinationType is "${combinationType}"; for ${method.peftType} adapters it must be "linear"`,
    );
  }
  for (const source of sources) checkCombinable(source);
  const config = first.with(Object.fromEntries(form.targets.map((key) => [key, unitedTargets(sources, key)])));
  const added = await tuner.add({ name: adapterName, config, loading: true }, onWarning);
  try {
    tuner.setTrainable(adapterName, false);
    checkCovered(added, sources);
    const layers: WeightedAdapterReport["layers"] = [];
    for (const path of added.report.matched) {
      const key = `${filePrefix}${path}.${form.key}`;
      const own = tuner.trained(adapterName).get(key)!;
      const sum = new Float64Array(own.size);
      for (const [i, { name }] of sources.entries()) {
        const factors = tuner.trained(name).get(key);
        if (`${factors?.shape}` !== `${own.shape}`) {
          throw new Error(
            `addWeightedAdapter: the factors of adapter "${name}" on ${path} are ${factors ? `[${factors.shape}]` : "missing"}, expected [${own.shape}]; all adapters must adapt the same layers with the same sizes`,
          );
        }
        for (const [j, value] of ((await factors!.data()) as Float32Array).entries()) sum[j] += weights[i] * value;
      }
      using value = tensor(Float32Array.from(sum), { shape: own.shape });
      noGrad(() => copyInto(own, value));
      const rounded = (await own.data()) as Float32Array;
      const size = Math.hypot(...sum);
      layers.push({ path, relativeError: size > 0 ? Math.hypot(...sum.map((x, j) => x - rounded[j])) / size : 0 });
    }
    return { combinationType, rank: null, layers };
  } catch (error) {
    tuner.remove(adapterName);
    throw error;
  }
}

function checkCombinable({ name, config }: Adapter): void {
  if (!config.modulesToSave?.length) return;
  throw new Error(
    `addWeightedAdapter: adapter "${name}" trains all weights of ${config.modulesToSave.join(", ")} (modulesToSave), which cannot be combined`,
  );
}
