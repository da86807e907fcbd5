import { checkCall, refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import { formatShape, normalizeDim, type Shape } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { type DimArgument, dimOptions, listArgument } from "./dimArgument.ts";

const dimKeys: OptionKeys<{ dim?: number }> = { dim: true };

/** Returns the same elements with another shape; one size may be -1. Shares the memory. */
export function reshape(x: Tensor, shape: Shape | number, ...sizes: number[]): Tensor {
  return ops.reshape(x, { shape: listArgument("reshape", x, shape, sizes, "reshape([2, -1]) or reshape(2, -1)") });
}

/** Returns x repeated to the shape `sizes` by the broadcasting rule; -1 keeps the size of a dimension. */
export function expand(x: Tensor, sizes: Shape | number, ...more: number[]): Tensor {
  const shape = listArgument("expand", x, sizes, more, "expand([2, -1]) or expand(2, -1)");
  const lead = shape.length - x.ndim;
  return ops.expand(x, { shape: shape.map((s, i) => (s === -1 && i >= lead ? x.shape[i - lead] : s)) });
}

/** Returns a copy of x with its dimensions in the order `dims`. */
export function permute(x: Tensor, dims: Shape | number, ...more: number[]): Tensor {
  return ops.permute(x, { dims: listArgument("permute", x, dims, more, "permute([1, 0]) or permute(1, 0)") });
}

/** Returns a copy of x with two dimensions swapped. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  refuseSurplus("transpose", 1, arguments);
  if (dim0 === undefined || dim1 === undefined) {
    throw new Error("transpose: name the two dimensions to swap, as in transpose(-2, -1); a matrix has T too");
  }
  const a = normalizeDim("transpose", dim0, x.ndim);
  const b = normalizeDim("transpose", dim1, x.ndim);
  return ops.permute(x, { dims: x.shape.map((_, d) => (d === a ? b : d === b ? a : d)) });
}

/** Returns x with a new dimension of size 1 at `dim`; -1 is last. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  refuseSurplus("unsqueeze", 1, arguments);
  const d = normalizeDim("unsqueeze", dim, x.ndim + 1);
  return reshape(x, [...x.shape.slice(0, d), 1, ...x.shape.slice(d)]);
}

/** Returns x without dimension `dim`, which must have size 1 (default: without all dimensions of size 1). */
export function squeeze(x: Tensor, given: DimArgument<{ dim?: number }> = {}): Tensor {
  const options = dimOptions("squeeze", given, dimKeys, arguments);
  if (options.dim === undefined)
    return reshape(
      x,
      x.shape.filter((s) => s !== 1),
    );
  const d = normalizeDim("squeeze", options.dim, x.ndim);
  if (x.shape[d] !== 1) throw new Error(`squeeze: dim ${d} of ${formatShape(x.shape)} is ${x.shape[d]}, not 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => i !== d),
  );
}

/** Options of `flatten`: the first and the last dimension to merge. */
export interface FlattenOptions {
  /** The first dimension to merge. Default 0. */
  startDim?: number;
  /** The last dimension to merge. Default: the last one. */
  endDim?: number;
}

/**
 * Returns x with the dimensions from `startDim` (default 0) to `endDim` (default last) merged into one: `flatten(x, {
 * startDim: 1 })` or `flatten(x, 1)`.
 */
export function flatten(x: Tensor, given: FlattenOptions | number = {}, endDim?: number): Tensor {
  refuseSurplus("flatten", 1, arguments);
  const options = typeof given === "number" ? { startDim: given, endDim } : given;
  checkOptions("flatten", options, { startDim: true, endDim: true });
  if (x.ndim === 0) return reshape(x, [1]);
  const start = normalizeDim("flatten", options.startDim ?? 0, x.ndim);
  const end = normalizeDim("flatten", options.endDim ?? -1, x.ndim);
  if (start > end) throw new Error(`flatten: startDim ${start} comes after endDim ${end}`);
  const merged = x.shape.slice(start, end + 1).reduce((product, s) => product * s, 1);
  return reshape(x, [...x.shape.slice(0, start), merged, ...x.shape.slice(end + 1)]);
}

/** Concatenates tensors along `dim` (default 0). */
export function cat(tensors: readonly Tensor[], given: DimArgument<{ dim?: number }> = {}): Tensor {
  const { dim = 0 } = dimOptions("cat", given, dimKeys, arguments, 1, 0);
  if (!(tensors?.length > 0)) throw new Error("cat: it takes a list of at least one tensor, as in cat([a, b])");
  return ops.cat(...tensors, { dim });
}

/** Stacks tensors of equal shapes along a new dimension `dim` (default 0). */
export function stack(tensors: readonly Tensor[], given: DimArgument<{ dim?: number }> = {}): Tensor {
  const options = dimOptions("stack", given, dimKeys, arguments, 1, 0);
  if (!(tensors?.length > 0)) throw new Error("stack: it takes a list of at least one tensor, as in stack([a, b])");
  const dim = normalizeDim("stack", options.dim ?? 0, tensors[0].ndim + 1);
  return scope(() =>
    cat(
      tensors.map((t) => unsqueeze(t, dim)),
      { dim },
    ),
  );
}

/**
 * Splits x along `dim` (default 0): into pieces of `size` (the last one may be smaller), or into pieces of the given
 * sizes.
 */
export function split(
  x: Tensor,
  size: number | readonly number[],
  given: DimArgument<{ dim?: number }> = {},
): Tensor[] {
  const options = dimOptions("split", given, dimKeys, arguments, 2);
  const dim = normalizeDim("split", options.dim ?? 0, x.ndim);
  let sizes = size;
  if (typeof sizes === "number") {
    const each = sizes;
    if (!Number.isInteger(each) || each < 1) throw new Error(`split: size ${each} must be an integer of at least 1`);
    const n = x.shape[dim];
    sizes = Array.from({ length: Math.max(1, Math.ceil(n / each)) }, (_, i) => Math.min(each, n - i * each));
  }
  const pieces: Tensor | Tensor[] = ops.split(x, { sizes, dim });
  return Array.isArray(pieces) ? pieces : [pieces];
}

/**
 * Splits x along `dim` (default 0) into `count` pieces of equal size, except the last one, which may be smaller. There
 * are fewer pieces if the dimension is too short; an empty dimension gives `count` empty pieces.
 */
export function chunk(x: Tensor, count: number, given: DimArgument<{ dim?: number }> = {}): Tensor[] {
  const options = dimOptions("chunk", given, dimKeys, arguments, 2);
  const n = x.shape[normalizeDim("chunk", options.dim ?? 0, x.ndim)];
  if (!Number.isInteger(count) || count < 1) throw new Error(`chunk: count ${count} must be an integer of at least 1`);
  if (n === 0) return split(x, new Array<number>(count).fill(0), options);
  return split(x, Math.max(1, Math.ceil(n / count)), options);
}

/**
 * Pads x with `value` (default 0). As in PyTorch, `pad` lists [before, after] for the last dimension first, then for
 * the one before it. Negative amounts remove elements.
 */
export function pad(x: Tensor, pad: readonly number[], options: { value?: number } = {}): Tensor {
  checkCall("pad", 1, arguments, options, { value: true });
  if (pad.length % 2 || pad.length > 2 * x.ndim) {
    throw new Error(`pad: ${formatShape(pad)} must hold two numbers for each of at most ${x.ndim} dimensions`);
  }
  return scope(() => {
    let out = x;
    for (let i = 0; i < pad.length; i += 2) {
      const dim = x.ndim - 1 - i / 2;
      const [before, after] = [pad[i], pad[i + 1]];
      const n = out.shape[dim];
      if (n + Math.min(0, before) + Math.min(0, after) < 0) {
        throw new Error(
          `pad: ${before} before and ${after} after cut off more than the ${n} elements of dimension ${dim} of ${formatShape(x.shape)}`,
        );
      }
      if (before < 0 || after < 0) {
        out = ops.slice(out, { dim, start: Math.max(0, -before), end: n + Math.min(0, after) });
      }
      if (before > 0 || after > 0) {
        const start = Math.max(0, before);
        const size = start + out.shape[dim] + Math.max(0, after);
        out = ops.place(out, { dim, size, start, value: options.value });
      }
    }
    return out;
  });
}

/**
 * Returns the lower triangle of each matrix, with zeros above. `diagonal` (default 0) is the last diagonal that is
 * kept; positive ones are above the main diagonal.
 */
export function tril(x: Tensor, options: { diagonal?: number } | number = {}): Tensor {
  return ops.triangle(x, { part: "lower", diagonal: diagonalOf("tril", options, arguments) });
}

/**
 * Returns the upper triangle of each matrix, with zeros below. `diagonal` (default 0) is the first diagonal that is
 * kept; positive ones are above the main diagonal.
 */
export function triu(x: Tensor, options: { diagonal?: number } | number = {}): Tensor {
  return ops.triangle(x, { part: "upper", diagonal: diagonalOf("triu", options, arguments) });
}

function diagonalOf(name: string, options: { diagonal?: number } | number, args: ArrayLike<unknown>): number {
  refuseSurplus(name, 1, args);
  if (typeof options === "number") return options;
  checkOptions(name, options, { diagonal: true });
  return options.diagonal ?? 0;
}

/** Returns x with the order of elements reversed along each of `dims`. */
export function flip(x: Tensor, dims: Shape | number, ...more: number[]): Tensor {
  return ops.flip(x, { dims: listArgument("flip", x, dims, more, "flip([0, 1]) or flip(0, 1)") });
}

/** Returns x with each element repeated `repeats` times along `dim` (default: in the flattened tensor). */
export function repeatInterleave(x: Tensor, repeats: number, given: DimArgument<{ dim?: number }> = {}): Tensor {
  const options = dimOptions("repeatInterleave", given, dimKeys, arguments, 2);
  return scope(() => {
    const from = options.dim === undefined ? reshape(x, [-1]) : x;
    const d = normalizeDim("repeatInterleave", options.dim ?? 0, from.ndim);
    const before = from.shape.slice(0, d + 1);
    const after = from.shape.slice(d + 1);
    const wide = ops.expand(reshape(from, [...before, 1, ...after]), { shape: [...before, repeats, ...after] });
    return reshape(wide, [...before.slice(0, -1), from.shape[d] * repeats, ...after]);
  });
}
