// The public functions: every op, and wrappers of ops that accept numbers, options and PyTorch's argument order.
export * from "../ops/index.ts";
export { cumsum, logSoftmax, softmax } from "./alongDim.ts";
export { add, div, maximum, minimum, mul, neg, pow, sub } from "./arithmetic.ts";
export { eq, ge, gt, le, lt, ne, where } from "./comparison.ts";
export type { DimArgument } from "./dimArgument.ts";
export { einsum } from "./einsum.ts";
export { at, clone, gather, indexAdd, indexSelect, type Range, scatterAdd, select, slice } from "./indexing.ts";
export {
  binaryCrossEntropyWithLogits,
  type KlDivOptions,
  klDiv,
  type LossOptions,
  l1Loss,
  mseLoss,
} from "./losses.ts";
export { type LinearOptions, linear, matmul } from "./products.ts";
export {
  type AlongOptions,
  amax,
  amin,
  argmax,
  argmin,
  logsumexp,
  max,
  mean,
  min,
  prod,
  type ReduceOptions,
  std,
  sum,
  topk,
  type VarianceOptions,
  variance,
} from "./reductions.ts";
export {
  cat,
  chunk,
  expand,
  type FlattenOptions,
  flatten,
  flip,
  pad,
  permute,
  repeatInterleave,
  reshape,
  split,
  squeeze,
  stack,
  transpose,
  tril,
  triu,
  unsqueeze,
} from "./shapes.ts";
export { solve } from "./solve.ts";
export { argmaxTokens } from "./tokens.ts";
export {
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  avgPool1d,
  avgPool2d,
  avgPoolKeys,
  type Conv1dOptions,
  type Conv2dOptions,
  conv1d,
  conv2d,
  convKeys,
  fold,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  maxPool1d,
  maxPool2d,
  maxPoolKeys,
  type Size2d,
  type UnfoldOptions,
  unfold,
} from "./windows.ts";
