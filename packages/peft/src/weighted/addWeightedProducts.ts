import { copyInto, matmul, noGrad, scope, square, sum, tensor } from "@lowrank/core";
import { Conv1D, Embedding, type Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import type { TunerLayer } from "../layers/tunerLayer.ts";
import type { ProductForm } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { type Combination, combineLayer, stacked, type WeightedFactors } from "./combineLayer.ts";
import { factorOf, factorsInHost } from "./layerFactors.ts";
import { checkCovered, planWeighted } from "./planWeighted.ts";
import type { HostFactors } from "./productFactors.ts";
import type { WeightedAdapterOptions, WeightedAdapterReport } from "./weightedOptions.ts";

/** Adds an adapter whose products B A approximate the weighted sum of other adapters' products, for LoRA. */
export async function addWeightedProducts(
  tuner: Tuner<Module>,
  sources: readonly Adapter[],
  weights: readonly number[],
  adapterName: string,
  options: WeightedAdapterOptions,
  form: ProductForm<PeftConfig>,
  onWarning: OnWarning,
): Promise<WeightedAdapterReport> {
  const { combination, config } = await planWeighted(sources, options, form);
  const added = await tuner.add({ name: adapterName, config, loading: true }, onWarning);
  try {
    tuner.setTrainable(adapterName, false);
    checkCovered(added, sources);
    const layers: WeightedAdapterReport["layers"] = [];
    const parameters = tuner.trained(adapterName);
    const paths = [...tuner.wrappers.keys()];
    const inside = (path: string) => paths.filter((inner) => inner.startsWith(`${path}.base_layer.`));
    for (const path of added.report.matched.flatMap((path) => [path, ...inside(path)])) {
      const parts = await partsOf(tuner, path, sources, weights, form);
      if (parts.length === 0) continue;
      checkRanks(path, parts, combination);
      const combined = await combineLayer(parts, combination, liesInputFirst(tuner, path));
      for (const side of ["a", "b"] as const) {
        const factor = factorOf(parameters, path, side, form)!;
        using value = tensor(combined[side].values, { shape: factor.shape });
        noGrad(() => copyInto(factor, value));
      }
      layers.push({ path, relativeError: await distance(combined, parts) });
    }
    return { combinationType: combination.type, rank: combination.rank, layers };
  } catch (error) {
    tuner.remove(adapterName);
    throw error;
  }
}

/** Returns true if the adapted layer at `path` stores its weight as [in, out]. */
function liesInputFirst({ model }: Tuner<Module>, path: string): boolean {
  const { wrapped } = model.getSubmodule(path) as TunerLayer;
  return wrapped instanceof Conv1D || wrapped instanceof Embedding;
}

function checkRanks(path: string, parts: readonly WeightedFactors[], { type }: Combination): void {
  const ranks = parts.map(({ a }) => a.rows);
  if (type === "cat" || type.endsWith("svd") || new Set(ranks).size === 1) return;
  throw new Error(
    `addWeightedAdapter: combinationType "${type}" needs equal ranks, but on ${path} they are ${ranks.join(", ")} (rankPattern); use "cat", or a type that ends in "svd"`,
  );
}

async function partsOf(
  tuner: Tuner<Module>,
  path: string,
  sources: readonly Adapter[],
  weights: readonly number[],
  form: ProductForm<PeftConfig>,
): Promise<WeightedFactors[]> {
  const parts: WeightedFactors[] = [];
  for (const [i, { name, config }] of sources.entries()) {
    const parameters = tuner.trained(name);
    const [a, b] = [factorOf(parameters, path, "a", form), factorOf(parameters, path, "b", form)];
    if (!a || !b) continue;
    const scaling = form.scaling(config, path);
    parts.push({ ...(await factorsInHost(a, b, path)), scaling, weight: weights[i] });
  }
  return parts;
}

/**
 * Returns the relative error of the combined B A: the Frobenius norm of its difference from the exact weighted sum,
 * divided by the sum's norm. 0 if the sum is zero.
 */
async function distance(combined: HostFactors, parts: readonly WeightedFactors[]): Promise<number> {
  const exact = { ...stacked(parts), scaling: 1, weight: 1 };
  const difference = stacked([exact, { ...combined, scaling: 1, weight: -1 }]);
  const [norm, size] = [await squareNorm(difference), await squareNorm(exact)];
  return size > 0 ? Math.sqrt(norm / size) : 0;
}

/** Maximum number of elements of B A to compute at a time, which limits the memory. */
const chunk = 1 << 24;

/** Returns the sum of the squared elements of B A. */
async function squareNorm({ a, b }: HostFactors): Promise<number> {
  const step = Math.max(1, Math.floor(chunk / a.columns));
  using right = tensor(a.values, { shape: [a.rows, a.columns] });
  let norm = 0;
  for (let row = 0; row < b.rows; row += step) {
    const rows = Math.min(step, b.rows - row);
    using total = noGrad(() =>
      scope(() => {
        const left = b.values.subarray(row * b.columns, (row + rows) * b.columns);
        return sum(square(matmul(tensor(left, { shape: [rows, b.columns] }), right)));
      }),
    );
    norm += await total.item();
  }
  return norm;
}
