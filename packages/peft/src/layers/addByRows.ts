import { affine, bindInputs, expand, lowRankRows, scope, type Tensor, widen } from "@lowrank/core";
import { addOnRows, type RowGroups, rowsByAdapter } from "./rowGroups.ts";
import type { LayerAdapter, LowRank } from "./tunerLayer.ts";

/** True for an adapter that does no more than add to its layer's output. */
export function onlyAdds(adapter: LayerAdapter | undefined): boolean {
  return !adapter || adapter.lowRank !== undefined || adapter.added !== undefined;
}

/** A scaled bias for each row of `like`. */
function scaledBias({ bias, scaling }: LowRank, like: Tensor): Tensor {
  return expand(affine(widen(bias!), { scale: scaling }), like.shape);
}

/**
 * Returns a function of a base layer's output y and its input x, for batches with these groups of
 * rows. It adds the parts of adapters on their rows. Products of low rank are one op for all
 * adapters, whose sums for a row do not depend on other rows. It holds while the adapters, and the
 * modes of their dropouts, stay as they are.
 */
export function addingByRows(
  groups: RowGroups,
  adapterOf: (name: string) => LayerAdapter | undefined,
): (y: Tensor, x: Tensor) => Tensor {
  const factors: Tensor[] = [];
  const rows: (readonly number[])[] = [];
  const scalings: number[] = [];
  const biased = new Map<string, readonly number[]>();
  const others = new Map<string, readonly number[]>();
  for (const [name, own] of groups) {
    const adapter = name === null ? undefined : adapterOf(name);
    if (name === null || !adapter) continue;
    const { lowRank } = adapter;
    if (!lowRank) {
      others.set(name, own);
      continue;
    }
    factors.push(lowRank.a, lowRank.b);
    rows.push(own);
    scalings.push(lowRank.scaling);
    if (lowRank.bias) biased.set(name, own);
  }
  // One list for all layers, which kernels know again.
  const shared = rowsByAdapter(groups);
  const lists = rows.length === shared.length ? shared : rows;
  const addProducts = rows.length > 0 ? bindInputs(lowRankRows, factors, { rows: lists, scalings }) : (y: Tensor) => y;
  if (biased.size === 0 && others.size === 0) return addProducts;
  return (y, x) =>
    scope(() => {
      let sum = addProducts(y, x);
      if (biased.size > 0) {
        sum = addOnRows(sum, biased, sum, (name, part) => scaledBias(adapterOf(name)!.lowRank!, part));
      }
      if (others.size > 0) sum = addOnRows(sum, others, x, (name, part) => adapterOf(name)!.added!(part));
      return sum;
    });
}
