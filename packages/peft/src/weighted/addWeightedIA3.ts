import { copyInto, Generator, noGrad, tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import { ia3 } from "../methods/ia3.ts";
import type { IA3Config } from "../methods/ia3Config.ts";
import { type Adapter, filePrefix } from "../model/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { checkCovered, unitedTargets } from "./unitedTargets.ts";
import type { WeightedAdapterOptions, WeightedAdapterReport } from "./weightedOptions.ts";

/**
 * Adds an (IA)³ adapter whose factors are the weighted sum of others' factors. Throws where
 * these are on other layers.
 */
export async function addWeightedIA3(
  tuner: Tuner<Module>,
  sources: readonly Adapter[],
  weights: readonly number[],
  adapterName: string,
  { combinationType = "linear" }: WeightedAdapterOptions,
  onWarning: (message: string) => void,
): Promise<WeightedAdapterReport> {
  if (combinationType !== "linear") {
    throw new Error(`addWeightedAdapter: combinationType is "${combinationType}"; of IA3 adapters it must be "linear"`);
  }
  for (const source of sources) checkCombinable(source, sources[0]);
  const config = (sources[0].config as IA3Config).with({
    targetModules: unitedTargets(sources, "targetModules"),
    feedforwardModules: unitedTargets(sources, "feedforwardModules"),
  });
  const generator = new Generator(0);
  const added = await tuner.add({ name: adapterName, method: ia3, config, generator, loading: true }, onWarning);
  try {
    tuner.setTrainable(adapterName, false);
    checkCovered(added, sources);
    const layers: WeightedAdapterReport["layers"] = [];
    for (const path of added.report.matched) {
      const key = `${filePrefix}${path}.ia3_l`;
      const own = tuner.trained(adapterName).get(key)!;
      const sum = new Float64Array(own.size);
      for (const [i, { name }] of sources.entries()) {
        const factors = tuner.trained(name).get(key);
        if (`${factors?.shape}` !== `${own.shape}`) {
          throw new Error(
            `addWeightedAdapter: on ${path} adapter "${name}" has ${factors ? `[${factors.shape}]` : "no"} factors, and others [${own.shape}]; all must be on the same inputs and outputs`,
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

function checkCombinable({ name, method, config }: Adapter, first: Adapter): void {
  if (method !== ia3) {
    throw new Error(
      `addWeightedAdapter: adapter "${name}" is ${method.peftType}, and "${first.name}" IA3; all must be of one method`,
    );
  }
  if (!config.modulesToSave?.length) return;
  throw new Error(
    `addWeightedAdapter: adapter "${name}" trains ${config.modulesToSave.join(", ")} whole, which cannot be combined`,
  );
}
