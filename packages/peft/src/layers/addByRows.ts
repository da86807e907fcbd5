import { affine, expand, scope, type Tensor } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import type { ProductTable } from "./productTable.ts";
import { addOnRows, type RowGroups } from "./rowGroups.ts";
import type { LayerAdapter } from "./tunerLayer.ts";

/** Returns an adapter's LoRA bias times its scaling, expanded to the shape of `like`. */
function scaledBias({ lowRank }: LayerAdapter, like: Tensor): Tensor {
  return expand(affine(widen(lowRank!.bias!), { scale: lowRank!.scaling }), like.shape);
}

/**
 * Returns a function that adds the updates of several adapters to a base layer's output y, given the layer's input x.
 * Each adapter changes only its own rows of the batch. The adapters must do nothing but add to the output. One op
 * computes the low-rank products of all adapters, and a row's result does not depend on other rows.
 */
export function addingByRows(
  groups: RowGroups,
  adapters: ReadonlyMap<string, LayerAdapter>,
  table: ProductTable,
): (y: Tensor, x: Tensor) => Tensor {
  const products = new Map<string, readonly number[]>();
  const biased = new Map<string, readonly number[]>();
  const others = new Map<string, readonly number[]>();
  for (const [name, rows] of groups) {
    if (name === null) continue;
    const { lowRank } = adapters.get(name)!;
    (lowRank ? products : others).set(name, rows);
    if (lowRank?.bias) biased.set(name, rows);
  }
  const addProducts = table.adding(products);
  return (y, x) =>
    scope(() => {
      let sum = addProducts(y, x);
      sum = addOnRows(sum, biased, sum, (name, part) => scaledBias(adapters.get(name)!, part));
      return addOnRows(sum, others, x, (name, part) => adapters.get(name)!.added!(part));
    });
}
