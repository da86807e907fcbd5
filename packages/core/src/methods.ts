// Chainable forms of the functions. Importing this file adds the methods to every Tensor.
import { type BackwardOptions, backward } from "./autograd/autograd.ts";
import { Tensor } from "./engine/tensor.ts";
import * as f from "./functional/index.ts";
import { checkDType } from "./layout/checkDType.ts";
import type { DType } from "./layout/dtype.ts";
import { formatShape } from "./layout/shape.ts";

/** The names of functions that are also methods of a tensor: `f.name(x, ...rest)` is `x.name(...rest)`. */
type Name =
  | ("add" | "sub" | "mul" | "div" | "pow" | "neg" | "maximum" | "minimum" | "eq" | "ne" | "lt" | "le" | "gt" | "ge")
  | ("exp" | "log" | "sqrt" | "rsqrt" | "square" | "reciprocal" | "abs" | "sign" | "sin" | "cos" | "erf" | "clamp")
  | ("tanh" | "sigmoid" | "relu" | "silu" | "gelu" | "geluTanh" | "softplus" | "softmax" | "logSoftmax")
  | (
      | "sum"
      | "mean"
      | "variance"
      | "std"
      | "amax"
      | "amin"
      | "max"
      | "min"
      | "argmax"
      | "argmin"
      | "prod"
      | "logsumexp"
      | "cumsum"
      | "topk"
    )
  | ("reshape" | "expand" | "permute" | "transpose" | "unsqueeze" | "squeeze" | "flatten" | "flip" | "pad")
  | (
      | "split"
      | "chunk"
      | "slice"
      | "select"
      | "at"
      | "clone"
      | "gather"
      | "indexSelect"
      | "tril"
      | "triu"
      | "repeatInterleave"
      | "matmul"
    );

type Functions = typeof f;
type Method<F> = F extends (x: Tensor, ...rest: infer R) => infer Out ? (...rest: R) => Out : never;

const functions: Pick<Functions, Name> = {
  add: f.add,
  sub: f.sub,
  mul: f.mul,
  div: f.div,
  pow: f.pow,
  neg: f.neg,
  maximum: f.maximum,
  minimum: f.minimum,
  eq: f.eq,
  ne: f.ne,
  lt: f.lt,
  le: f.le,
  gt: f.gt,
  ge: f.ge,
  exp: f.exp,
  log: f.log,
  sqrt: f.sqrt,
  rsqrt: f.rsqrt,
  square: f.square,
  reciprocal: f.reciprocal,
  abs: f.abs,
  sign: f.sign,
  sin: f.sin,
  cos: f.cos,
  erf: f.erf,
  clamp: f.clamp,
  tanh: f.tanh,
  sigmoid: f.sigmoid,
  relu: f.relu,
  silu: f.silu,
  gelu: f.gelu,
  geluTanh: f.geluTanh,
  softplus: f.softplus,
  softmax: f.softmax,
  logSoftmax: f.logSoftmax,
  sum: f.sum,
  mean: f.mean,
  variance: f.variance,
  std: f.std,
  amax: f.amax,
  amin: f.amin,
  max: f.max,
  min: f.min,
  argmax: f.argmax,
  argmin: f.argmin,
  prod: f.prod,
  logsumexp: f.logsumexp,
  cumsum: f.cumsum,
  topk: f.topk,
  reshape: f.reshape,
  expand: f.expand,
  permute: f.permute,
  transpose: f.transpose,
  unsqueeze: f.unsqueeze,
  squeeze: f.squeeze,
  flatten: f.flatten,
  flip: f.flip,
  pad: f.pad,
  split: f.split,
  chunk: f.chunk,
  slice: f.slice,
  select: f.select,
  at: f.at,
  clone: f.clone,
  gather: f.gather,
  indexSelect: f.indexSelect,
  tril: f.tril,
  triu: f.triu,
  repeatInterleave: f.repeatInterleave,
  matmul: f.matmul,
};

/** Methods of a tensor that correspond to functions, such as `x.add(y)`, in addition to the methods of its class. */
export type TensorMethods = { [K in Name]: Method<Functions[K]> } & {
  /**
   * Computes the gradients of this tensor with respect to the leaves on which it depends, and adds them to the `.grad`
   * of these leaves. The tensor must be a scalar, unless you pass `gradient`, the gradient with respect to this tensor.
   */
  backward(gradient?: Tensor, options?: BackwardOptions): void;
  /** Returns the tensor in another dtype, or itself if it already has that dtype. */
  to(dtype: DType): Tensor;
  /** The transpose of a matrix, as a copy. Throws unless the tensor has two dimensions. */
  readonly T: Tensor;
};

function to(x: Tensor, dtype: DType): Tensor {
  checkDType("to", dtype);
  return x.dtype === dtype ? x : f.to(x, { dtype });
}

function transposed(x: Tensor): Tensor {
  if (x.ndim === 2) return f.permute(x, [1, 0]);
  throw new Error(`T: ${formatShape(x.shape)} is no matrix; write transpose(-2, -1), or permute with all dimensions`);
}

declare module "./engine/tensor.ts" {
  // In some orders of checking, TypeScript 7 loses the class's [Symbol.dispose] because of this merge.
  interface Tensor extends TensorMethods, Disposable {}
}

type AnyFunction = (x: Tensor, ...rest: unknown[]) => unknown;

for (const [name, fn] of Object.entries({ ...functions, backward, to }) as [string, AnyFunction][]) {
  Object.defineProperty(Tensor.prototype, name, {
    configurable: true,
    writable: true,
    value(this: Tensor, ...rest: unknown[]) {
      return fn(this, ...rest);
    },
  });
}

Object.defineProperty(Tensor.prototype, "T", {
  configurable: true,
  get(this: Tensor) {
    return transposed(this);
  },
});
