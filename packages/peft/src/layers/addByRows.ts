import { affine, bindInputs, expand, InputGroup, lowRankRows, scope, type Tensor, widen } from "@lowrank/core";
import { addOnRows, type RowGroups, rowsByAdapter } from "./rowGroups.ts";
import type { LayerAdapter } from "./tunerLayer.ts";

/** An adapter's part on a layer, as batches see it whose rows have adapters of their own. */
export interface RowPart {
  readonly adapter: LayerAdapter;
  /** True if it does no more than add to its layer's output. */
  readonly onlyAdds: boolean;
  /** A and B, where it adds their product. */
  readonly factors: InputGroup | null;
  /** The factor of that product, and what is added to it before. */
  readonly scaling: number;
  readonly bias: Tensor | null;
}

/** Returns an adapter's part, which holds while it and the mode of its dropout stay as they are. */
export function rowPart(adapter: LayerAdapter): RowPart {
  const { lowRank } = adapter;
  if (!lowRank) {
    return { adapter, onlyAdds: adapter.added !== undefined, factors: null, scaling: 1, bias: null };
  }
  const { a, b, scaling, bias = null } = lowRank;
  return { adapter, onlyAdds: true, factors: new InputGroup(lowRankRows, [a, b]), scaling, bias };
}

/** A scaled bias for each row of `like`. */
function scaledBias({ bias, scaling }: RowPart, like: Tensor): Tensor {
  return expand(affine(widen(bias!), { scale: scaling }), like.shape);
}

/**
 * Returns a function of a base layer's output y and its input x, for batches with these groups of
 * rows, whose adapters have these parts. It adds the parts on their rows. Products of low rank are
 * one op for all adapters, whose sums for a row do not depend on other rows. It holds as long as
 * the parts do.
 */
export function addingByRows(groups: RowGroups, parts: readonly (RowPart | null)[]): (y: Tensor, x: Tensor) => Tensor {
  const factors: InputGroup[] = [];
  const rows: (readonly number[])[] = [];
  const scalings: number[] = [];
  const biased = new Map<string, readonly number[]>();
  const others = new Map<string, readonly number[]>();
  const byName = new Map<string, RowPart>();
  let i = 0;
  for (const [name, own] of groups) {
    const part = parts[i++];
    if (name === null || !part) continue;
    if (part.factors) {
      factors.push(part.factors);
      rows.push(own);
      scalings.push(part.scaling);
    } else others.set(name, own);
    if (part.bias) biased.set(name, own);
    if (part.bias || !part.factors) byName.set(name, part);
  }
  // One list for all layers, which kernels know again.
  const shared = rowsByAdapter(groups);
  const lists = rows.length === shared.length ? shared : rows;
  const addProducts = rows.length > 0 ? bindInputs(lowRankRows, factors, { rows: lists, scalings }) : (y: Tensor) => y;
  if (byName.size === 0) return addProducts;
  return (y, x) =>
    scope(() => {
      let sum = addProducts(y, x);
      if (biased.size > 0) sum = addOnRows(sum, biased, sum, (name, part) => scaledBias(byName.get(name)!, part));
      if (others.size > 0) sum = addOnRows(sum, others, x, (name, part) => byName.get(name)!.adapter.added!(part));
      return sum;
    });
}
