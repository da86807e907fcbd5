import type { TensorSpec } from "../../backends/backend.ts";
import { checkCall, defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { composeCrossEntropy, composeCrossEntropyBackward } from "./crossEntropyComposed.ts";

/** Options of `crossEntropy`, as in PyTorch. */
export interface CrossEntropyParams {
  /** Rows with this label are ignored. Default -100. */
  readonly ignoreIndex?: number;
  /**
   * Reduction of the rows' losses. "mean" divides by the number of rows that are not ignored, and gives NaN if all are
   * ignored, as in PyTorch. Default "mean".
   */
  readonly reduction?: "mean" | "sum" | "none";
  /** Label smoothing: the fraction of the target probability that is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/** Throws unless labels are i32 and have the shape of logits [..., V] without the last dimension. */
export function checkLabels(op: string, logits: TensorSpec, labels: TensorSpec): void {
  expectDType(op, [logits, labels], 0, "f32");
  expectDType(op, [logits, labels], 1, "i32");
  if (logits.shape.length === 0 || !sameShape(logits.shape.slice(0, -1), labels.shape)) {
    throw new Error(
      `${op}: labels ${formatShape(labels.shape)} do not fit ${formatShape(logits.shape)}: expected ${formatShape(logits.shape.slice(0, -1))}`,
    );
  }
}

/** Returns the error for a label that is not a class. */
export function labelOutOfRange(label: number, at: number, classes: number, ignoreIndex: number): Error {
  return new Error(
    `crossEntropy: label ${label} at position ${at} is none of the ${classes} classes (0..${classes - 1}) and not ignoreIndex ${ignoreIndex}`,
  );
}

/** Returns the number of labels that are not `ignoreIndex`. Throws for a label that is not a class. */
export function countLabels(labels: TypedArray, classes: number, ignoreIndex: number): number {
  let count = 0;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === ignoreIndex) continue;
    if (labels[i] < 0 || labels[i] >= classes) throw labelOutOfRange(labels[i], i, classes, ignoreIndex);
    count++;
  }
  return count;
}

/**
 * The largest logit of a row (`top`), and log(sum(exp(logit - top))). They are kept separate, because their sum would
 * lose digits of the logarithm if `top` is large.
 */
interface RowSum {
  readonly top: number;
  readonly log: number;
}

function logSumExp(x: TypedArray | Float64Array, start: number, n: number): RowSum {
  let top = -Infinity;
  for (let i = 0; i < n; i++) top = Math.max(top, x[start + i]);
  let total = 0;
  for (let i = 0; i < n; i++) total += Math.exp(x[start + i] - top);
  return { top, log: Math.log(total) };
}

/** Returns the loss of one row of logits. `sum` is the row's `RowSum`. */
function rowLoss(
  x: TypedArray | Float64Array,
  start: number,
  n: number,
  label: number,
  { top, log }: RowSum,
  smoothing: number,
): number {
  let loss = (1 - smoothing) * (log - (x[start + label] - top));
  if (smoothing > 0) for (let i = 0; i < n; i++) loss += (smoothing / n) * (log - (x[start + i] - top));
  return loss;
}

/** Overwrites a row of logits with the gradient of its loss. Returns the loss. */
export function rowGradient(logits: Float64Array, label: number, smoothing: number): number {
  const n = logits.length;
  const sum = logSumExp(logits, 0, n);
  const loss = rowLoss(logits, 0, n, label, sum, smoothing);
  for (let i = 0; i < n; i++) {
    logits[i] = Math.exp(logits[i] - sum.top - sum.log) - smoothing / n - (i === label ? 1 - smoothing : 0);
  }
  return loss;
}

/**
 * The op behind `crossEntropy`. Its second output [..., 2] holds, for each row, the largest logit and log(sum(exp(logit
 * - largest))), which the gradient needs; zeros for ignored rows.
 */
export const crossEntropyWithRows: Op<2, CrossEntropyParams, 2> = defineOp({
  name: "crossEntropy",
  arity: 2,
  shape: ([logits, labels], { reduction = "mean" }) => {
    checkLabels("crossEntropy", logits, labels);
    return [
      { shape: reduction === "none" ? labels.shape : [], dtype: "f32" },
      { shape: [...labels.shape, 2], dtype: "f32" },
    ];
  },
  ref: ([logits, labels], [loss, sums], { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 }) => {
    const n = logits.shape[logits.shape.length - 1];
    const count = countLabels(labels.data, n, ignoreIndex);
    let total = 0;
    for (let row = 0; row < labels.size; row++) {
      const label = labels.data[row];
      const ignored = label === ignoreIndex;
      const sum = ignored ? { top: 0, log: 0 } : logSumExp(logits.data, row * n, n);
      sums.data.set([sum.top, sum.log], 2 * row);
      const value = ignored ? 0 : rowLoss(logits.data, row * n, n, label, sum, labelSmoothing);
      if (reduction === "none") loss.data[row] = value;
      total += value;
    }
    if (reduction !== "none") loss.data[0] = reduction === "mean" ? total / count : total;
  },
  compose: ([logits, labels], params) => composeCrossEntropy(logits, labels, params, labelOutOfRange),
  fault: (at, label, [logits], { ignoreIndex = -100 }) =>
    labelOutOfRange(label, at, logits.shape[logits.shape.length - 1], ignoreIndex),
  saves: { inputs: [0, 1], outputs: [1] },
  vjp: ({ grads: [dloss], inputs: [logits, labels], outputs: [, sums], params }) => [
    crossEntropyBackward(dloss, logits, labels, sums, params),
    null,
  ],
});

/** The gradient of `crossEntropy`: (dloss, logits, labels, sums) to dlogits. */
export const crossEntropyBackward: Op<4, CrossEntropyParams> = defineOp({
  name: "crossEntropyBackward",
  arity: 4,
  shape: ([dloss, logits, labels, sums], { reduction = "mean" }) => {
    checkLabels("crossEntropyBackward", logits, labels);
    expectDType("crossEntropyBackward", [dloss], 0, "f32");
    expectDType("crossEntropyBackward", [dloss, logits, labels, sums], 3, "f32");
    const wanted = reduction === "none" ? labels.shape : [];
    if (!sameShape(dloss.shape, wanted)) {
      throw new Error(`crossEntropyBackward: the gradient ${formatShape(dloss.shape)} must be ${formatShape(wanted)}`);
    }
    if (!sameShape(sums.shape, [...labels.shape, 2])) {
      throw new Error(`crossEntropyBackward: the sums ${formatShape(sums.shape)} must be [${[...labels.shape, 2]}]`);
    }
    return { shape: logits.shape, dtype: "f32" };
  },
  ref: ([dloss, logits, labels, sums], [dlogits], { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 }) => {
    const n = logits.shape[logits.shape.length - 1];
    const count = reduction === "mean" ? countLabels(labels.data, n, ignoreIndex) : 1;
    dlogits.data.fill(0);
    for (let row = 0; row < labels.size; row++) {
      const label = labels.data[row];
      if (label === ignoreIndex) continue;
      const [top, log] = [sums.data[2 * row], sums.data[2 * row + 1]];
      const factor = dloss.data[reduction === "none" ? row : 0] / count;
      for (let i = 0; i < n; i++) {
        const target = labelSmoothing / n + (i === label ? 1 - labelSmoothing : 0);
        dlogits.data[row * n + i] = factor * (Math.exp(logits.data[row * n + i] - top - log) - target);
      }
    }
  },
  compose: ([dloss, logits, labels], params) =>
    composeCrossEntropyBackward(dloss, logits, labels, params, labelOutOfRange),
});

/**
 * Returns the cross-entropy of logits [..., V] against class labels [...] (i32): a scalar, or [...] with reduction
 * "none". Throws for a label that is neither a class nor `ignoreIndex`.
 */
export function crossEntropy(logits: Tensor, labels: Tensor, params: CrossEntropyParams = {}): Tensor {
  checkCall("crossEntropy", 2, arguments, params, { ignoreIndex: true, reduction: true, labelSmoothing: true });
  const [loss, sums] = crossEntropyWithRows(logits, labels, params);
  sums.dispose();
  return loss;
}
