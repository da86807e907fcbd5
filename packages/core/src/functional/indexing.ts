import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { formatShape, normalizeDim } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { type DimArgument, dimOptions } from "./dimArgument.ts";

/**
 * Returns a copy of x with the elements of `source` added along `dim`, like PyTorch's scatter_add: for a matrix and dim
 * 0, adds source[i][j] to x[index[i][j]][j]. `index` is i32.
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

/**
 * A range of positions along a dimension, like Python's start:end:step. An omitted or null start or end means the
 * dimension's start or end; the default step is 1. Null instead of a range takes the whole dimension.
 */
export type Range = readonly [start?: number | null, end?: number | null, step?: number] | null;

/**
 * Returns a copy of a part of x. Pass one range per dimension, starting with the first: `slice(x, [0, 2], null, [1])`
 * is NumPy's x[0:2, :, 1:]. Or pass the options for one dimension: `slice(x, { dim: 1, end: 2 })`. Supports every
 * dtype. Negative positions count from the end.
 */
export function slice(x: Tensor, ...ranges: [options: ops.SliceParams] | Range[]): Tensor {
  refuseSurplus("slice", 1, arguments);
  const [first] = ranges;
  if (ranges.length === 1 && typeof first === "object" && first !== null && !Array.isArray(first)) {
    return ops.slice(x, first as ops.SliceParams);
  }
  checkRanges(x, ranges);
  return scope(() => {
    let out = x;
    for (const [dim, range] of (ranges as Range[]).entries()) {
      if (range) out = ops.slice(out, { dim, start: range[0] ?? 0, end: range[1] ?? undefined, step: range[2] });
    }
    return out === x ? clone(x) : out;
  });
}

function checkRanges({ shape }: Tensor, ranges: readonly unknown[]): void {
  if (ranges.length === 0) {
    throw new Error(
      "slice: it takes ranges, as in slice([0, 2], null, [1]), or options, as in slice({ dim: 1, end: 2 })",
    );
  }
  if (ranges.length > shape.length) {
    throw new Error(
      `slice: there are ${ranges.length} ranges, and ${formatShape(shape)} has ${shape.length} dimensions`,
    );
  }
  for (const range of ranges) {
    if (range === null || (Array.isArray(range) && range.length <= 3)) continue;
    throw new Error(
      `slice: ${JSON.stringify(range)} is no range; write [start, end] or [start, end, step], null for all; at(1) and select(dim, 1) take one position`,
    );
  }
}

/**
 * Returns the part of x at position `index` of `dim`, without that dimension. Negative positions count from the end.
 */
export function select(x: Tensor, dim: number, index: number): Tensor {
  refuseSurplus("select", 1, arguments);
  const d = normalizeDim("select", dim, x.ndim);
  const at = position("select", x, d, index);
  return scope(() => {
    const taken = ops.slice(x, { dim: d, start: at, end: at + 1 });
    return ops.reshape(taken, { shape: x.shape.filter((_, i) => i !== d) });
  });
}

/**
 * Indexes the first dimensions of x, which are dropped: `at(x, 1)` is row 1, and `at(x, 1, -1)` is the last entry of
 * that row. Negative positions count from the end.
 */
export function at(x: Tensor, ...indices: number[]): Tensor {
  refuseSurplus("at", 1, arguments);
  if (indices.length === 0 || indices.length > x.ndim) {
    throw new Error(`at: ${formatShape(x.shape)} takes 1 to ${x.ndim} positions, and ${indices.length} were given`);
  }
  return scope(() => indices.reduce((entry, index) => select(entry, 0, index), x));
}

function position(name: string, { shape }: Tensor, dim: number, index: number): number {
  const size = shape[dim];
  const from = index < 0 ? index + size : index;
  if (Number.isInteger(index) && from >= 0 && from < size) return from;
  throw new Error(
    `${name}: position ${index} is not in dim ${dim} of ${formatShape(shape)}; use ${-size}..${size - 1}`,
  );
}

/** Returns a copy of x in separate memory. Gradients flow through it. */
export function clone(x: Tensor): Tensor {
  refuseSurplus("clone", 1, arguments);
  if (x.ndim > 0) return ops.slice(x, {});
  return scope(() => ops.reshape(ops.slice(ops.reshape(x, { shape: [1] }), {}), { shape: [] }));
}
