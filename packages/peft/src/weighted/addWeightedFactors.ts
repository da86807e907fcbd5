import { copyInto, noGrad, tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { OnWarning } from "../config/warning.ts";
import type { FactorForm } from "../methods/shared/methodFacts.ts";
import { type Adapter, filePrefix } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkCovered, unitedTargets } from "./unitedTargets.ts";
import type { WeightedAdapterOptions, WeightedAdapterReport } from "./weightedOptions.ts";

/**
 * Adds an adapter whose factors are the weighted sum of other adapters' factors, for (IA)³. Throws if their layers
 * differ.
 */
export async function addWeightedFactors(
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
