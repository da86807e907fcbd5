import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import { formatShape, sameShape } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import { gt, where } from "./comparison.ts";
import { mean, sum } from "./reductions.ts";

/** Options of a loss. `reduction` combines the losses of all elements; default "mean". */
export interface LossOptions {
  reduction?: "mean" | "sum" | "none";
}

function reduce(losses: Tensor, { reduction = "mean" }: LossOptions): Tensor {
  return reduction === "mean" ? mean(losses) : reduction === "sum" ? sum(losses) : losses;
}

/**
 * Throws for a third tensor, different shapes of input and target, an unknown `reduction`, or an unknown option.
 * Options that PyTorch has deprecated are unknown here.
 */
function checkLoss(name: string, args: ArrayLike<unknown>, options: LossOptions): void {
  checkPair(name, args);
  checkOptions(name, options, { reduction: true });
  const { reduction = "mean" } = options;
  if (!["mean", "sum", "none"].includes(reduction)) {
    throw new Error(`${name}: reduction is "${reduction}"; it must be "mean", "sum" or "none"`);
  }
}

function checkPair(name: string, args: ArrayLike<unknown>): void {
  refuseSurplus(name, 2, args);
  const [input, target] = Array.from(args) as Tensor[];
  if (!sameShape(input.shape, target.shape)) {
    throw new Error(
      `${name}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)} differ in shape`,
    );
  }
}

/** Returns the squared error (input - target)². */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkLoss("mseLoss", arguments, options);
  return scope(() => reduce(ops.square(sub(input, target)), options));
}

/** Returns the absolute error |input - target|. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkLoss("l1Loss", arguments, options);
  return scope(() => reduce(ops.abs(sub(input, target)), options));
}

/** Returns the binary cross-entropy of logits against targets in 0..1, without overflow for large logits. */
export function binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkLoss("binaryCrossEntropyWithLogits", arguments, options);
  return scope(() => {
    // (1 - target) * input + log(1 + exp(-input)) stays finite for an infinite logit of the right sign.
    const wrong = mul(ops.affine(target, { scale: -1, shift: 1 }), input);
    return reduce(add(wrong, ops.softplus(neg(input))), options);
  });
}

/** Options of `klDiv`. The default reduction is "mean"; "batchmean" divides the sum by the size of dimension 0. */
export interface KlDivOptions {
  reduction?: "batchmean" | "mean" | "sum" | "none";
  /** True if the target holds log-probabilities. Default false. */
  logTarget?: boolean;
}

/**
 * Returns the Kullback-Leibler divergence target * (log(target) - input), where `input` holds log-probabilities.
 * Elements whose target is 0 give 0.
 */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  checkPair("klDiv", arguments);
  checkOptions("klDiv", options, { reduction: true, logTarget: true });
  const { reduction = "mean", logTarget = false } = options;
  return scope(() => {
    const losses = logTarget ? mul(ops.exp(target), sub(target, input)) : add(entropy(target), neg(mul(target, input)));
    return reduction === "batchmean" ? div(sum(losses), input.shape[0] ?? 1) : reduce(losses, { reduction });
  });
}

/** Returns p * log(p), and 0 for p = 0. */
function entropy(p: Tensor): Tensor {
  const positive = gt(p, 0);
  return where(positive, mul(p, ops.log(where(positive, p, 1))), 0);
}
