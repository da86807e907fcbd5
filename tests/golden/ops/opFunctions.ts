import type { Tensor } from "@lowrank/core";
import * as core from "@lowrank/core";
import * as internal from "@lowrank/core/internal";

/** The parameters of a case in ops.json. */
// biome-ignore lint/suspicious/noExplicitAny: each case has its own parameters.
type Params = any;

/** A case of ops.json as a call of Lowrank's functions. */
export type OpFunction = (inputs: Tensor[], params: Params) => Tensor | Tensor[];

const unary = {
  ...{ abs: core.abs, neg: core.neg, square: core.square, reciprocal: core.reciprocal, sqrt: core.sqrt },
  ...{ exp: core.exp, log: core.log, log1p: core.log1p, expm1: core.expm1, rsqrt: core.rsqrt },
  ...{ sin: core.sin, cos: core.cos, tanh: core.tanh, erf: core.erf, sigmoid: core.sigmoid },
  ...{ relu: core.relu, silu: core.silu, gelu: core.gelu, geluTanh: core.geluTanh, softplus: core.softplus },
};

const binary = {
  ...{ add: core.add, sub: core.sub, mul: core.mul, div: core.div, pow: core.pow },
  ...{ maximum: core.maximum, minimum: core.minimum, matmul: core.matmul, swiglu: core.swiglu },
  ...{ embedding: core.embedding, mseLoss: core.mseLoss, l1Loss: core.l1Loss },
  binaryCrossEntropyWithLogits: core.binaryCrossEntropyWithLogits,
};

/** Functions of one tensor that take the case's parameters as options. */
const withOptions: Record<string, (x: Tensor, params: Params) => Tensor> = {
  ...{ sum: core.sum, mean: core.mean, var: core.variance, prod: core.prod, logsumexp: core.logsumexp },
  ...{ max: core.max, min: core.min, argmax: core.argmax, cumsum: core.cumsum, clamp: core.clamp },
  ...{ softmax: core.softmax, logSoftmax: core.logSoftmax, slice: core.slice, tril: core.tril },
};

const wrap = <F>(functions: Record<string, F>, call: (f: F, inputs: Tensor[], params: Params) => Tensor) =>
  Object.fromEntries(
    Object.entries(functions).map(([name, f]): [string, OpFunction] => [name, (...args) => call(f, ...args)]),
  );

/** Every op of ops.json, by name. */
export const opFunctions: Readonly<Record<string, OpFunction>> = {
  ...wrap(unary, (f, [x]) => f(x)),
  ...wrap(binary, (f, [x, y]) => f(x, y)),
  ...wrap(withOptions, (f, [x], params) => f(x, params)),
  where: ([condition, x, y]) => core.where(condition, x, y),
  topk: ([x], { k, dim }) => core.topk(x, k, { dim }),
  linear: ([x, weight, bias]) => core.linear(x, weight, bias),
  einsum: ([x, y], { equation }) => core.einsum(equation, x, y),
  layerNorm: ([x, weight, bias], { eps }) => core.layerNorm(x, weight, bias, { eps }),
  rmsNorm: ([x, weight], { eps }) => core.rmsNorm(x, weight, { eps }),
  gather: ([x, index], { dim }) => core.gather(x, index, { dim }),
  indexSelect: ([x, index], { dim }) => core.indexSelect(x, index, { dim }),
  cat: (inputs, { dim }) => core.cat(inputs, { dim }),
  stack: (inputs, { dim }) => core.stack(inputs, { dim }),
  split: ([x], { sizes, dim }) => core.split(x, sizes, { dim }),
  permute: ([x], { dims }) => core.permute(x, dims),
  // The case permutes first, so that reshape receives a non-contiguous tensor.
  reshape: ([x]) => core.permute(x, [1, 0, 2]).reshape([x.shape[1], -1]),
  expand: ([x], { shape }) => core.expand(x, shape),
  pad: ([x], { pad, value }) => core.pad(x, pad, { value }),
  flip: ([x], { dims }) => core.flip(x, dims),
  repeatInterleave: ([x], { repeats, dim }) => core.repeatInterleave(x, repeats, { dim }),
  crossEntropy: ([logits, labels], params) => core.crossEntropy(logits, labels, params),
  linearCrossEntropy: ([hidden, weight, labels], { ignoreIndex }) =>
    core.linearCrossEntropy(hidden, weight, labels, { ignoreIndex }),
  klDiv: ([p, q]) => {
    const options = { reduction: "batchmean" } as const;
    return core.klDiv(core.logSoftmax(p, { dim: -1 }), core.softmax(q, { dim: -1 }), options);
  },
  // The data align the causal mask at the last key, as with a cache; PyTorch calls that causal_lower_right.
  scaledDotProductAttention: ([q, k, v, mask], { isCausal, scale, enableGqa }) =>
    core.scaledDotProductAttention(q, k, v, { mask, isCausalLowerRight: isCausal, scale, enableGqa }),
  rope: ([x], { theta, offset }) => {
    const [, , T, D] = x.shape;
    const frequencies = Array.from({ length: D / 2 }, (_, i) => theta ** ((-2 * i) / D));
    const { cos, sin } = core.ropeTables(frequencies, offset + T);
    // ops.json stores heads before positions; rope takes [B, T, H, D].
    return core.rope(x.transpose(1, 2), cos, sin, { offset }).transpose(1, 2);
  },
  loraLinear: ([x, w, a, b], { scaling }) => internal.loraLinear(x, w, a, b, { scaling }),
  doraLinear: ([x, w, a, b, m], { scaling }) => internal.doraLinear(x, w, a, b, m, { scaling }),
};
