import { affine, expand, lowRankRows, scope, type Tensor, widen } from "@lowrank/core";
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
 * A base layer's output for a batch, with the parts of adapters added on their rows. Products of
 * low rank are one op for all adapters, whose sums for a row do not depend on other rows.
 */
export function addByRows(
  y: Tensor,
  x: Tensor,
  groups: RowGroups,
  adapterOf: (name: string) => LayerAdapter | undefined,
): Tensor {
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
  if (rows.length === 0 && others.size === 0) return y;
  // One list for all layers, which kernels know again.
  const shared = rowsByAdapter(groups);
  const lists = rows.length === shared.length ? shared : rows;
  return scope(() => {
    let sum = rows.length > 0 ? lowRankRows(y, x, ...factors, { rows: lists, scalings }) : y;
    if (biased.size > 0) sum = addOnRows(sum, biased, sum, (name, part) => scaledBias(adapterOf(name)!.lowRank!, part));
    if (others.size > 0) sum = addOnRows(sum, others, x, (name, part) => adapterOf(name)!.added!(part));
    return sum;
  });
}
