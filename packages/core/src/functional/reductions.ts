import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { OptionKeys } from "../internal/checkOptions.ts";
import { normalizeDim, type Shape } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { add, div, sub } from "./arithmetic.ts";
import { eq, where } from "./comparison.ts";
import { type DimArgument, dimOptions } from "./dimArgument.ts";

/**
 * Options of a reduction: `dim` (default: all dimensions), and `keepdim`, which keeps reduced dimensions with size 1
 * (default false).
 */
export interface ReduceOptions {
  dim?: number | readonly number[];
  keepdim?: boolean;
}

/** Options of a reduction along one dimension (default: over the flattened tensor). */
export interface AlongOptions {
  dim?: number;
  keepdim?: boolean;
}

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** Correction of the divisor: the sum of squares is divided by n - `correction`. Default 1, which is unbiased. */
  correction?: number;
}

const reduceKeys: OptionKeys<ReduceOptions> = { dim: true, keepdim: true };
const alongKeys: OptionKeys<AlongOptions> = reduceKeys;
const varianceKeys: OptionKeys<VarianceOptions> = { ...reduceKeys, correction: true };

/** Returns the shape of the result in two forms: with the reduced dimensions kept with size 1, and without them. */
function reduced(
  name: string,
  shape: Shape,
  dim: ReduceOptions["dim"],
): { keptShape: number[]; droppedShape: number[] } {
  const all = dim === undefined;
  const dims = new Set((typeof dim === "number" ? [dim] : (dim ?? [])).map((d) => normalizeDim(name, d, shape.length)));
  return {
    keptShape: shape.map((s, d) => (all || dims.has(d) ? 1 : s)),
    droppedShape: shape.filter((_, d) => !all && !dims.has(d)),
  };
}

function sumOver(name: string, x: Tensor, { dim, keepdim }: ReduceOptions): Tensor {
  const { keptShape, droppedShape } = reduced(name, x.shape, dim);
  const total = ops.sumToShape(x, { shape: keptShape });
  return keepdim ? total : ops.reshape(total, { shape: droppedShape });
}

/** Returns the sum over `dim` (default: all). */
export function sum(x: Tensor, given: DimArgument<ReduceOptions> = {}): Tensor {
  const options = dimOptions("sum", given, reduceKeys, arguments);
  return sumOver("sum", x, options);
}

// A reduction of an empty tensor is its sum plus a constant. As in PyTorch, gradients of its gradients are zeros, not
// NaN.

/** Returns the mean over `dim` (default: all); NaN for an empty tensor. */
export function mean(x: Tensor, given: DimArgument<ReduceOptions> = {}): Tensor {
  const options = dimOptions("mean", given, reduceKeys, arguments);
  const total = sumOver("mean", x, options);
  return x.size === 0 ? add(total, Number.NaN) : div(total, x.size / total.size);
}

/**
 * Returns the variance over `dim` (default: all dimensions), divided by n - `correction` (default 1: unbiased); NaN for
 * an empty tensor. It computes the mean first, so that small deviations from a large mean keep their precision.
 */
export function variance(x: Tensor, given: DimArgument<VarianceOptions> = {}): Tensor {
  const options = dimOptions("variance", given, varianceKeys, arguments);
  const { dim, correction = 1 } = options;
  return scope(() => {
    const centre = (t: Tensor) => sub(t, mean(t, { dim, keepdim: true }));
    const total = sumOver("variance", ops.square(centre(centre(x))), options);
    if (x.size === 0) return add(total, Number.NaN);
    return div(total, Math.max(0, x.size / total.size - correction));
  });
}

/**
 * Returns the standard deviation over `dim` (default: all), with divisor n - `correction` (default 1: unbiased). Its
 * gradient at 0 is 0.
 */
export function std(x: Tensor, given: DimArgument<VarianceOptions> = {}): Tensor {
  const options = dimOptions("std", given, varianceKeys, arguments);
  return scope(() => {
    const squared = variance(x, options);
    const none = eq(squared, 0);
    return where(none, 0, ops.sqrt(where(none, 1, squared)));
  });
}

function pick(x: Tensor, op: typeof ops.max, output: 0 | 1, { dim, keepdim }: AlongOptions): Tensor {
  return scope(() => {
    const lanes = dim === undefined ? ops.reshape(x, { shape: [-1] }) : x;
    const d = normalizeDim(op.definition.name, dim ?? 0, lanes.ndim);
    const picked = op(lanes, { dim: d })[output];
    if (dim === undefined) return ops.reshape(picked, { shape: keepdim ? x.shape.map(() => 1) : [] });
    return keepdim ? picked : ops.reshape(picked, { shape: x.shape.filter((_, i) => i !== d) });
  });
}

function extrema(x: Tensor, op: typeof ops.amax, { dim, keepdim }: ReduceOptions, nansTie = false): Tensor {
  const { keptShape, droppedShape } = reduced(op.definition.name, x.shape, dim);
  return scope(() => {
    const y = op(x, { shape: keptShape, nansTie });
    return keepdim ? y : ops.reshape(y, { shape: droppedShape });
  });
}

/**
 * Returns the largest element over `dim` (default: all), or NaN if any element is NaN. Equal elements share the
 * gradient.
 */
export function amax(x: Tensor, given: DimArgument<ReduceOptions> = {}): Tensor {
  const options = dimOptions("amax", given, reduceKeys, arguments);
  return extrema(x, ops.amax, options);
}

/**
 * Returns the smallest element over `dim` (default: all), or NaN if any element is NaN. Equal elements share the
 * gradient.
 */
export function amin(x: Tensor, given: DimArgument<ReduceOptions> = {}): Tensor {
  const options = dimOptions("amin", given, reduceKeys, arguments);
  return extrema(x, ops.amin, options);
}

/**
 * Throws if `options` is a number. Callers who know PyTorch would expect max(dim) to return values and positions, but
 * this function returns only the values.
 */
function checkExtremum(name: "max" | "min", options: AlongOptions, args: ArrayLike<unknown>): void {
  refuseSurplus(name, 1, args);
  if (typeof options === "number") {
    throw new Error(
      `${name}: PyTorch's ${name}(${options}) gives values and positions; write a${name}(${options}) for the values, arg${name}(${options}) for the positions`,
    );
  }
  dimOptions(name, options, alongKeys, args);
}

/**
 * Returns the largest element along `dim` (default: of all), or NaN if any element is NaN. With `dim`, the gradient
 * flows to the first of equal elements (or the first NaN). Without `dim`, equal elements share it.
 */
export function max(x: Tensor, options: AlongOptions = {}): Tensor {
  checkExtremum("max", options, arguments);
  return options.dim === undefined ? extrema(x, ops.amax, options, true) : pick(x, ops.max, 0, options);
}

/**
 * Returns the smallest element along `dim` (default: of all), or NaN if any element is NaN. With `dim`, the gradient
 * flows to the first of equal elements (or the first NaN). Without `dim`, equal elements share it.
 */
export function min(x: Tensor, options: AlongOptions = {}): Tensor {
  checkExtremum("min", options, arguments);
  return options.dim === undefined ? extrema(x, ops.amin, options, true) : pick(x, ops.min, 0, options);
}

/**
 * Returns the i32 position of the first largest element (or first NaN) along `dim` (default: in the flattened tensor).
 */
export function argmax(x: Tensor, given: DimArgument<AlongOptions> = {}): Tensor {
  const options = dimOptions("argmax", given, alongKeys, arguments);
  return pick(x, ops.max, 1, options);
}

/**
 * Returns the i32 position of the first smallest element (or first NaN) along `dim` (default: in the flattened tensor).
 */
export function argmin(x: Tensor, given: DimArgument<AlongOptions> = {}): Tensor {
  const options = dimOptions("argmin", given, alongKeys, arguments);
  return pick(x, ops.min, 1, options);
}

/**
 * Returns the product along `dim` (default: of all elements). Elements are multiplied in pairs, so that the gradient
 * needs no division and is correct if elements are 0.
 */
export function prod(x: Tensor, given: DimArgument<AlongOptions> = {}): Tensor {
  const { dim, keepdim } = dimOptions("prod", given, alongKeys, arguments);
  return scope(() => {
    let rest = dim === undefined ? ops.reshape(x, { shape: [-1] }) : x;
    const d = normalizeDim("prod", dim ?? 0, rest.ndim);
    if (rest.shape[d] === 0) rest = ops.place(rest, { dim: d, size: 1, start: 0, value: 1 });
    for (let n = rest.shape[d]; n > 1; n = rest.shape[d]) {
      const half = n >> 1;
      const pairs = ops.mul(
        ops.slice(rest, { dim: d, end: half }),
        ops.slice(rest, { dim: d, start: half, end: 2 * half }),
      );
      rest = n % 2 ? ops.cat(pairs, ops.slice(rest, { dim: d, start: n - 1 }), { dim: d }) : pairs;
    }
    if (dim === undefined) return ops.reshape(rest, { shape: keepdim ? x.shape.map(() => 1) : [] });
    return keepdim ? rest : ops.reshape(rest, { shape: x.shape.filter((_, i) => i !== d) });
  });
}

/** Returns log(sum(exp(x))) over `dim` (default: all), without overflow for large x; -Infinity for an empty tensor. */
export function logsumexp(x: Tensor, given: DimArgument<ReduceOptions> = {}): Tensor {
  const options = dimOptions("logsumexp", given, reduceKeys, arguments);
  const { dim, keepdim } = options;
  if (x.size === 0) return add(sumOver("logsumexp", x, options), Number.NEGATIVE_INFINITY);
  return scope(() => {
    const { keptShape, droppedShape } = reduced("logsumexp", x.shape, dim);
    let top = x.detach();
    for (const [d, size] of keptShape.entries()) if (size !== top.shape[d]) top = max(top, { dim: d, keepdim: true });
    // An infinite maximum would turn x - top into NaN.
    top = where(eq(sub(top, top), 0), top, 0);
    const total = add(ops.log(ops.sumToShape(ops.exp(sub(x, top)), { shape: keptShape })), top);
    return keepdim ? total : ops.reshape(total, { shape: droppedShape });
  });
}

/** Returns the k largest elements along `dim` (default: last), largest first, and their i32 positions. */
export function topk(
  x: Tensor,
  k: number,
  given: DimArgument<{ dim?: number }> = {},
): [values: Tensor, indices: Tensor] {
  const { dim = -1 } = dimOptions("topk", given, { dim: true }, arguments, 2);
  return ops.topk(x, { k, dim });
}
