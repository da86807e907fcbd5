import { copyInto, matmul, noGrad, scope, square, sum, tensor } from "@lowrank/core";
import { Conv1D, Embedding, type Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import type { TunerLayer } from "../layers/tunerLayer.ts";
import type { ProductForm } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { type Combination, combineLayer, stacked, type WeightedFactors } from "./combineLayer.ts";
import { factorOf, inHost } from "./layerFactors.ts";
import { planWeighted } from "./planWeighted.ts";
import type { HostFactors } from "./productFactors.ts";
import { checkCovered } from "./unitedTargets.ts";
import type { WeightedAdapterOptions, WeightedAdapterReport } from "./weightedOptions.ts";

/** Adds an adapter whose products approximate the weighted sum of other adapters' products. */
export async function addWeightedProducts(
  tuner: Tuner<Module>,
  sources: readonly Adapter[],
  weights: readonly number[],
  adapterName: string,
  options: WeightedAdapterOptions,
  form: ProductForm<PeftConfig>,
  onWarning: OnWarning,
): Promise<WeightedAdapterReport> {
  const { combination, config } = planWeighted(sources, options, form);
  const added = await tuner.add({ name: adapterName, config, loading: true }, onWarning);
  try {
    tuner.setTrainable(adapterName, false);
    checkCovered(added, sources);
    const layers: WeightedAdapterReport["layers"] = [];
    const parameters = tuner.trained(adapterName);
    for (const path of added.report.matched) {
      const parts = await partsOf(tuner, path, sources, weights, form);
      if (parts.length === 0) continue;
      checkRanks(path, parts, combination);
      const combined = await combineLayer(parts, combination, liesInputFirst(tuner, path));
      for (const side of ["a", "b"] as const) {
        const { values, rows, columns } = combined[side];
        using value = tensor(values, { shape: [rows, columns] });
        noGrad(() => copyInto(factorOf(parameters, path, side, form)!, value));
      }
      layers.push({ path, relativeError: await distance(combined, parts) });
    }
    return { combinationType: combination.type, rank: combination.rank, layers };
  } catch (error) {
    tuner.remove(adapterName);
    throw error;
  }
}

/** Returns true if the weight of an adapted layer is stored as [in, out]. */
function liesInputFirst({ model }: Tuner<Module>, path: string): boolean {
  const { wrapped } = model.getSubmodule(path) as TunerLayer;
  return wrapped instanceof Conv1D || wrapped instanceof Embedding;
}

function checkRanks(path: string, parts: readonly WeightedFactors[], { type }: Combination): void {
  const ranks = parts.map(({ a }) => a.rows);
  if (type === "cat" || type.endsWith("svd") || new Set(ranks).size === 1) return;
  throw new Error(
    `addWeightedAdapter: ${type} needs adapters of one rank, and on ${path} these have ${ranks.join(", ")} (rankPattern); use cat, or a type that ends in svd`,
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
    parts.push({ a: await inHost(a), b: await inHost(b), scaling, weight: weights[i] });
  }
  return parts;
}

/**
 * Returns the Frobenius norm of the difference between B A and the weighted sum of products, divided by the sum's norm;
 * 0 for a sum of zeros.
 */
async function distance(combined: HostFactors, parts: readonly WeightedFactors[]): Promise<number> {
  const exact = { ...stacked(parts), scaling: 1, weight: 1 };
  const difference = stacked([exact, { ...combined, scaling: 1, weight: -1 }]);
  const [norm, size] = [await squareNorm(difference), await squareNorm(exact)];
  return size > 0 ? Math.sqrt(norm / size) : 0;
}

/** Number of elements of a product that are computed at a time. */
const chunk = 1 << 24;

/** Returns the sum of a product's squared elements. */
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
