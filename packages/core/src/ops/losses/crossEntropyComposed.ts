import { scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { maximum } from "../binary/maximum.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { where } from "../binary/where.ts";
import { amax } from "../reductions/amax.ts";
import { softmax } from "../reductions/softmax.ts";
import { cat } from "../shapes/cat.ts";
import { sumTo } from "../shapes/expand.ts";
import { gather } from "../shapes/gather.ts";
import { reshape } from "../shapes/reshape.ts";
import { inRange } from "../shared/inRange.ts";
import { rowMean, rowSum } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { exp } from "../unary/exp.ts";
import { log } from "../unary/log.ts";
import { to } from "../unary/to.ts";

interface Options {
  readonly ignoreIndex?: number;
  readonly reduction?: "mean" | "sum" | "none";
  readonly labelSmoothing?: number;
}

type BadLabel = (label: number, at: number, classes: number, ignoreIndex: number) => Error;

/**
 * Returns the labels reshaped to [..., 1] in two tensors: a mask of the ignored ones, and the classes (0 if ignored).
 * Also returns the number of labels that are not ignored, and the number of classes.
 */
function readLabels(logits: Tensor, labels: Tensor, ignoreIndex: number, labelOutOfRange: BadLabel) {
  const classes = logits.shape[logits.ndim - 1];
  const scalar = (value: number) => tensor(value, { dtype: "i32", backend: labels.storage.backend });
  const error = (label: number, at: number) => labelOutOfRange(label, at, classes, ignoreIndex);
  const column = reshape(labels, { shape: [...labels.shape, 1] });
  const checked = inRange(column, { low: 0, high: classes - 1, except: ignoreIndex, error });
  const ignored = compare(checked, scalar(ignoreIndex), { relation: "eq" });
  const counting = where(ignored, scalarLike(logits, 0), scalarLike(logits, 1));
  return { ignored, chosen: where(ignored, scalar(0), checked), count: sumTo(counting, []), classes };
}

/**
 * Computes `crossEntropy` from other ops. Returns the loss and, for each row, the largest logit and log(sum(exp(logit -
 * largest))).
 */
export function composeCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: Options,
  labelOutOfRange: BadLabel,
): Tensor[] {
  const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 } = options;
  const { ignored, chosen, count } = readLabels(logits, labels, ignoreIndex, labelOutOfRange);
  const top = amax(logits, { shape: chosen.shape });
  const below = sub(logits, top);
  const mass = log(rowSum(exp(below)));
  const hard = sub(mass, gather(below, chosen, { dim: -1 }));
  const soft = labelSmoothing > 0 ? affine(sub(mass, rowMean(below)), { scale: labelSmoothing }) : null;
  const each = soft ? add(affine(hard, { scale: 1 - labelSmoothing }), soft) : hard;
  const counted = (t: Tensor) => reshape(where(ignored, scalarLike(t, 0), t), { shape: labels.shape });
  const losses = counted(each);
  const sums = where(ignored, scalarLike(top, 0), cat(top, mass, { dim: -1 }));
  if (reduction === "none") return [losses, sums];
  const total = sumTo(losses, []);
  return [reduction === "mean" ? div(total, count) : total, sums];
}

/** Computes `crossEntropyBackward` from other ops, using only the logits and not the saved sums. */
export function composeCrossEntropyBackward(
  dloss: Tensor,
  logits: Tensor,
  labels: Tensor,
  options: Options,
  labelOutOfRange: BadLabel,
): Tensor {
  const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 } = options;
  const { ignored, chosen, count, classes } = readLabels(logits, labels, ignoreIndex, labelOutOfRange);
  const each = tensor(
    Int32Array.from({ length: classes }, (_, i) => i),
    { backend: labels.storage.backend },
  );
  const hot = to(compare(chosen, each, { relation: "eq" }), { dtype: "f32" });
  const target = affine(hot, { scale: 1 - labelSmoothing, shift: labelSmoothing / classes });
  // If all rows are ignored, all results are cleared below; 1 keeps the quotient finite until then.
  const mean = () => div(dloss, maximum(count, scalarLike(count, 1)));
  const factor = reduction === "mean" ? mean() : reduction === "none" ? reshape(dloss, { shape: chosen.shape }) : dloss;
  const slope = mul(sub(softmax(logits, { dim: -1 }), target), factor);
  return where(ignored, scalarLike(slope, 0), slope);
}
