import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { normalizeDim } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { type DimArgument, dimOptions } from "./dimArgument.ts";

/**
 * Returns a copy of x to which each element of `source` is added, at the position along `dim` that `index` (i32) holds
 * for it.
 */
export function scatterAdd(x: Tensor, index: Tensor, source: Tensor, given: DimArgument<{ dim: number }>): Tensor {
  const { dim } = dimOptions("scatterAdd", given, { dim: true }, arguments, 3, 3);
  return scope(() => ops.add(x, ops.scatterAdd(source, index, { dim, shape: x.shape })));
}

/**
 * Returns a copy of x to which the entries of `source` along `dim` are added: entry i at position index[i]. index is
 * 1-D i32.
 */
export function indexAdd(x: Tensor, index: Tensor, source: Tensor, given: DimArgument<{ dim: number }>): Tensor {
  const { dim } = dimOptions("indexAdd", given, { dim: true }, arguments, 3, 3);
  const size = x.shape[normalizeDim("indexAdd", dim, x.ndim)];
  return scope(() => ops.add(x, ops.indexAdd(source, index, { dim, size })));
}

/** Arguments of a lookup: (index, options) or, as in PyTorch, (dim, index). */
type IndexArguments = [index: Tensor, options: DimArgument<{ dim: number }>] | [dim: number, index: Tensor];

/**
 * Looks up elements along `dim`, as PyTorch's gather does: for a matrix and dim 0, out[i][j] = x[index[i][j]][j].
 * `index` is i32 and has the shape of the result. `gather(x, index, { dim: 1 })` or `gather(x, 1, index)`.
 */
export function gather(x: Tensor, ...args: IndexArguments): Tensor {
  const { index, dim } = indexArguments("gather", x, args);
  return ops.gather(x, index, { dim });
}

/**
 * Returns the entries of x along `dim` at the positions in a 1-D i32 index, in that order. Supports every dtype.
 * `indexSelect(x, index, { dim: 1 })` or `indexSelect(x, 1, index)`.
 */
export function indexSelect(x: Tensor, ...args: IndexArguments): Tensor {
  const { index, dim } = indexArguments("indexSelect", x, args);
  return ops.indexSelect(x, index, { dim });
}

function indexArguments(name: string, x: Tensor, args: IndexArguments): { index: Tensor; dim: number } {
  refuseSurplus(name, 2, [x, ...args]);
  if (typeof args[0] === "number") return { index: args[1] as Tensor, dim: args[0] };
  const { dim } = dimOptions(name, args[1] as DimArgument<{ dim: number }>, { dim: true }, args);
  return { index: args[0], dim };
}
