import { checkCall } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { OptionKeys } from "../internal/checkOptions.ts";
import { formatShape, type Shape } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { type Pair, type WindowParams, windowPlan } from "../ops/windows/windowPlan.ts";

/** A size: one number for both height and width, or a pair of numbers. */
export type Size2d = number | readonly [height: number, width: number];

/** Options of `conv1d`. */
export interface Conv1dOptions {
  /** Distance between the starts of consecutive windows. Default 1. */
  stride?: number;
  /** Zeros added at each end. Default 0. */
  padding?: number;
  /** Distance between neighbouring elements of a window. Default 1. */
  dilation?: number;
  /** Number of groups into which the channels are divided. Filters see only the channels of their group. Default 1. */
  groups?: number;
}

/**
 * Options of `conv2d`. They are the options of `conv1d`, but `stride`, `padding` and `dilation` may also be [height,
 * width] pairs.
 */
export interface Conv2dOptions {
  stride?: Size2d;
  padding?: Size2d;
  dilation?: Size2d;
  groups?: number;
}

/** Options of `maxPool1d`. */
export interface MaxPool1dOptions {
  /** Distance between the starts of consecutive windows. Default: the window's size. */
  stride?: number;
  /**
   * Number of padding positions added at each end, at most half of the window size. They count as -Infinity, so they
   * are never the maximum. Default 0.
   */
  padding?: number;
  /** Rounds the number of windows up, so that the last window may extend beyond the padding. Default false. */
  ceilMode?: boolean;
}

/**
 * Options of `maxPool2d`. They are the options of `maxPool1d`, but `stride` and `padding` may also be [height, width]
 * pairs.
 */
export interface MaxPool2dOptions extends Pick<MaxPool1dOptions, "ceilMode"> {
  stride?: Size2d;
  padding?: Size2d;
}

/** Options of `avgPool1d`. */
export interface AvgPool1dOptions extends MaxPool1dOptions {
  /** Counts padding as elements when a window's sum is divided by the number of elements. Default true. */
  countIncludePad?: boolean;
}

/** Options of `avgPool2d`. */
export interface AvgPool2dOptions extends MaxPool2dOptions, Pick<AvgPool1dOptions, "countIncludePad"> {}

/** Options of `unfold` and `fold`. */
export type UnfoldOptions = Omit<Conv2dOptions, "groups">;

const unfoldKeys: OptionKeys<UnfoldOptions> = { stride: true, padding: true, dilation: true };
/** The names of all options of convolutions, to check options. */
export const convKeys: OptionKeys<Conv2dOptions> = { ...unfoldKeys, groups: true };
/** The names of all options of max pooling, to check options. */
export const maxPoolKeys: OptionKeys<MaxPool2dOptions> = { stride: true, padding: true, ceilMode: true };
/** The names of all options of average pooling, to check options. */
export const avgPoolKeys: OptionKeys<AvgPool2dOptions> = { ...maxPoolKeys, countIncludePad: true };

const pair = (size: Size2d): Pair => (typeof size === "object" ? size : [size, size]);

/**
 * Returns the [height, width] pair that a 2-D op gets for a 1-D setting. `size` is the setting, which becomes the
 * width; `rest` is the value for the height.
 */
const flat = (size: number, rest: number): Pair => [rest, size];

/** Throws unless x has the dimensions `names`, of which the first one (the batch) may be missing. */
function expectRank(op: string, { shape }: Tensor, names: readonly string[]): void {
  const rank = names.length;
  if (shape.length === rank || shape.length === rank - 1) return;
  throw new Error(
    `${op}: the input ${formatShape(shape)} has ${shape.length} dimensions; give [${names}], or [${names.slice(1)}] without a batch`,
  );
}

/** Runs `fn` on x as a batch of `rank` dimensions. A missing batch dimension is added before and removed after. */
function asBatch(x: Tensor, rank: number, fn: (batch: Tensor) => Tensor): Tensor {
  if (x.ndim === rank) return fn(x);
  const y = fn(ops.reshape(x, { shape: [1, ...x.shape] }));
  return ops.reshape(y, { shape: y.shape.slice(1) });
}

/** Runs `fn` on x [..., L] reshaped to [..., 1, L], and removes the added dimension from the result. */
function asRows(x: Tensor, fn: (x: Tensor) => Tensor): Tensor {
  const lead = x.shape.slice(0, -1);
  const y = fn(ops.reshape(x, { shape: [...lead, 1, x.shape[x.ndim - 1]] }));
  return ops.reshape(y, { shape: [...y.shape.slice(0, -2), y.shape[y.ndim - 1]] });
}

function checkFilters(op: string, x: Tensor, weight: Tensor, bias: Tensor | null | undefined, groups: number): void {
  const channels = x.shape[1];
  const [filters, depth] = weight.shape;
  if (!(Number.isInteger(groups) && groups >= 1 && channels % groups === 0 && filters % groups === 0)) {
    throw new Error(
      `${op}: groups is ${groups}; expected a whole number that divides ${channels} channels and ${filters} filters`,
    );
  }
  if (depth !== channels / groups) {
    throw new Error(
      `${op}: the weight ${formatShape(weight.shape)} needs ${depth} channels per group, but the input ${formatShape(x.shape)} in ${groups} group${groups === 1 ? "" : "s"} has ${channels / groups}`,
    );
  }
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== filters)) {
    throw new Error(`${op}: the bias ${formatShape(bias.shape)} is not [${filters}], one number for each filter`);
  }
}

function convolve(
  op: string,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null | undefined,
  windows: ops.UnfoldParams,
  groups: number,
): Tensor {
  checkFilters(op, x, weight, bias, groups);
  const [batch, channels] = x.shape;
  const [filters, depth] = weight.shape;
  const { rows, columns, elements } = windowPlan(op, x, windows);
  const places = rows * columns;
  const lead = groups === 1 ? [batch] : [batch, groups];
  const patches = ops.reshape(isPlain(windows) ? x : ops.unfold(x, windows), {
    shape: [...lead, (channels / groups) * elements, places],
  });
  const matrix = ops.reshape(ops.widen(weight), {
    shape: [...(groups === 1 ? [] : [groups]), filters / groups, depth * elements],
  });
  const y = ops.reshape(ops.matmul(matrix, patches, {}), { shape: [batch, filters, rows, columns] });
  return bias ? ops.add(y, ops.reshape(ops.widen(bias), { shape: [filters, 1, 1] })) : y;
}

/**
 * Returns true if each window is one element, with stride 1 and without padding. The columns of `unfold` are then the
 * elements of x in the same order.
 */
function isPlain({ kernelSize, stride, padding }: ops.UnfoldParams): boolean {
  return [...kernelSize, ...stride].every((size) => size === 1) && padding.every((size) => size === 0);
}

/**
 * Returns the convolution (cross-correlation, as in PyTorch) of x [N, C, H, W], or [C, H, W]. `weight` is [filters, C /
 * groups, height, width], `bias` is [filters].
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: Conv2dOptions = {}): Tensor {
  checkCall("conv2d", 3, arguments, options, convKeys);
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  expectRank("conv2d", x, ["N", "C", "H", "W"]);
  if (weight.ndim !== 4) {
    throw new Error(`conv2d: the weight ${formatShape(weight.shape)} is not [filters, C / groups, height, width]`);
  }
  const windows = {
    kernelSize: [weight.shape[2], weight.shape[3]] as const,
    ...{ stride: pair(stride), padding: pair(padding), dilation: pair(dilation) },
  };
  return scope(() => asBatch(x, 4, (batch) => convolve("conv2d", batch, weight, bias, windows, groups)));
}

/**
 * Returns the convolution of x [N, C, L], or [C, L]. `weight` is [filters, C / groups, length], `bias` is [filters].
 */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: Conv1dOptions = {}): Tensor {
  checkCall("conv1d", 3, arguments, options, convKeys);
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  expectRank("conv1d", x, ["N", "C", "L"]);
  if (weight.ndim !== 3) {
    throw new Error(`conv1d: the weight ${formatShape(weight.shape)} is not [filters, C / groups, length]`);
  }
  const [filters, depth, length] = weight.shape;
  const windows = {
    kernelSize: flat(length, 1),
    ...{ stride: flat(stride, 1), padding: flat(padding, 0), dilation: flat(dilation, 1) },
  };
  return scope(() => {
    const filter = ops.reshape(weight, { shape: [filters, depth, 1, length] });
    return asBatch(x, 3, (batch) => asRows(batch, (rows) => convolve("conv1d", rows, filter, bias, windows, groups)));
  });
}

/** Max pooling: returns the largest element of each window of x [N, C, H, W], or [C, H, W]. */
export function maxPool2d(x: Tensor, kernelSize: Size2d, options: MaxPool2dOptions = {}): Tensor {
  checkCall("maxPool2d", 1, arguments, options, maxPoolKeys);
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  expectRank("maxPool2d", x, ["N", "C", "H", "W"]);
  return poolMaxima(x, { kernelSize: pair(kernelSize), stride: pair(stride), padding: pair(padding), ceilMode });
}

function poolMaxima(x: Tensor, windows: WindowParams): Tensor {
  const [values, positions] = ops.maxPool2d(x, windows);
  positions.dispose();
  return values;
}

/** Max pooling: returns the largest element of each window of x [N, C, L], or [C, L]. */
export function maxPool1d(x: Tensor, kernelSize: number, options: MaxPool1dOptions = {}): Tensor {
  checkCall("maxPool1d", 1, arguments, options, maxPoolKeys);
  const { stride = kernelSize, padding = 0, ceilMode = false } = options;
  expectRank("maxPool1d", x, ["N", "C", "L"]);
  const windows = { kernelSize: flat(kernelSize, 1), stride: flat(stride, 1), padding: flat(padding, 0), ceilMode };
  return scope(() => asRows(x, (rows) => poolMaxima(rows, windows)));
}

/** Average pooling: returns the mean of each window of x [N, C, H, W], or [C, H, W]. */
export function avgPool2d(x: Tensor, kernelSize: Size2d, options: AvgPool2dOptions = {}): Tensor {
  checkCall("avgPool2d", 1, arguments, options, avgPoolKeys);
  const { stride = kernelSize, padding = 0, ceilMode = false, countIncludePad = true } = options;
  expectRank("avgPool2d", x, ["N", "C", "H", "W"]);
  const windows = { kernelSize: pair(kernelSize), stride: pair(stride), padding: pair(padding), ceilMode };
  return ops.avgPool2d(x, { ...windows, countIncludePad });
}

/** Average pooling: returns the mean of each window of x [N, C, L], or [C, L]. */
export function avgPool1d(x: Tensor, kernelSize: number, options: AvgPool1dOptions = {}): Tensor {
  checkCall("avgPool1d", 1, arguments, options, avgPoolKeys);
  const { stride = kernelSize, padding = 0, ceilMode = false, countIncludePad = true } = options;
  expectRank("avgPool1d", x, ["N", "C", "L"]);
  const windows = { kernelSize: flat(kernelSize, 1), stride: flat(stride, 1), padding: flat(padding, 0), ceilMode };
  return scope(() => asRows(x, (rows) => ops.avgPool2d(rows, { ...windows, countIncludePad })));
}

const windowsOf = (kernelSize: Size2d, { stride = 1, padding = 0, dilation = 1 }: UnfoldOptions) => ({
  ...{ kernelSize: pair(kernelSize), stride: pair(stride), padding: pair(padding), dilation: pair(dilation) },
});

/**
 * Copies the windows of x [N, C, H, W], or [C, H, W], into columns: [N, C * elements of a window, windows]. Padding is
 * filled with zeros.
 */
export function unfold(x: Tensor, kernelSize: Size2d, options: UnfoldOptions = {}): Tensor {
  checkCall("unfold", 1, arguments, options, unfoldKeys);
  expectRank("unfold", x, ["N", "C", "H", "W"]);
  return scope(() => {
    const y = ops.unfold(x, windowsOf(kernelSize, options));
    const [channels, elements, windows] = y.shape.slice(-3);
    return ops.reshape(y, { shape: [...y.shape.slice(0, -3), channels * elements, windows] });
  });
}

/**
 * The gradient of `unfold`: adds the columns [N, C * elements of a window, windows] at the positions of their windows
 * in zeros [N, C, ...outputSize].
 */
export function fold(x: Tensor, outputSize: Size2d, kernelSize: Size2d, options: UnfoldOptions = {}): Tensor {
  checkCall("fold", 1, arguments, options, unfoldKeys);
  expectRank("fold", x, ["N", "C * elements", "windows"]);
  const windows = windowsOf(kernelSize, options);
  const elements = windows.kernelSize[0] * windows.kernelSize[1];
  const [columns, count] = x.shape.slice(-2);
  if (columns % elements !== 0) {
    throw new Error(
      `fold: dim -2 of ${formatShape(x.shape)} is ${columns}; expected a multiple of ${elements}, the number of elements in a window`,
    );
  }
  const shape: Shape = [...x.shape.slice(0, -2), columns / elements, elements, count];
  return scope(() => ops.fold(ops.reshape(x, { shape }), { ...windows, outputSize: pair(outputSize) }));
}
