import {
  affine,
  bindInputs,
  expand,
  InputGroup,
  type LowRankRowsParams,
  lowRankRows,
  scope,
  type Tensor,
  widen,
} from "@lowrank/core";
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

/** Adds to a base layer's output y what adapters give for its input x, each on its rows. */
export type AddByRows = (y: Tensor, x: Tensor, groups: RowGroups) => Tensor;

/**
 * Returns a function for batches whose rows have these adapters, in this order, by their parts.
 * Products of low rank are one op for all adapters, whose sums for a row do not depend on other
 * rows. It holds as long as the parts do.
 */
export function addingByRows(parts: ReadonlyMap<string, RowPart>): AddByRows {
  const factors: InputGroup[] = [];
  const scalings: number[] = [];
  const products: string[] = [];
  const biased: string[] = [];
  const others: string[] = [];
  for (const [name, { factors: own, scaling, bias }] of parts) {
    if (own) {
      factors.push(own);
      scalings.push(scaling);
      products.push(name);
    } else others.push(name);
    if (bias) biased.push(name);
  }
  const bound = bindInputs(lowRankRows, factors);
  // One list of rows for all layers, which kernels know again.
  const rowsOf = (groups: RowGroups): LowRankRowsParams["rows"] =>
    products.length === parts.size ? rowsByAdapter(groups) : products.map((name) => groups.get(name)!);
  let last: { groups: RowGroups; params: LowRankRowsParams } | null = null;
  const addProducts: AddByRows = (y, x, groups) => {
    if (last?.groups !== groups) last = { groups, params: { rows: rowsOf(groups), scalings } };
    return bound(last.params, y, x);
  };
  if (products.length === parts.size && biased.length === 0) return addProducts;
  const some = (names: readonly string[], groups: RowGroups): RowGroups =>
    new Map(names.map((name) => [name, groups.get(name)!]));
  return (y, x, groups) =>
    scope(() => {
      let sum = products.length > 0 ? addProducts(y, x, groups) : y;
      sum = addOnRows(sum, some(biased, groups), sum, (name, part) => scaledBias(parts.get(name)!, part));
      return addOnRows(sum, some(others, groups), x, (name, part) => parts.get(name)!.adapter.added!(part));
    });
}
