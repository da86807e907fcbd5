import type { DType, Tensor } from "@lowrank/core";
import * as core from "@lowrank/core";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";
import cases from "./specialValues.gen.json" with { type: "json" };

// PyTorch's results for NaN, infinities, zeros of either sign, subnormal and extreme values, as
// conformance/python/special_values.py wrote them.

interface Numbers {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | string)[];
}

// biome-ignore lint/suspicious/noExplicitAny: each case has its own parameters.
type Params = any;

type Call = (inputs: Tensor[], params: Params) => Tensor | Tensor[];

const { reference, scope, tensor } = core;

const unary = {
  ...{ exp: core.exp, log: core.log, log1p: core.log1p, expm1: core.expm1, sqrt: core.sqrt, rsqrt: core.rsqrt },
  ...{ square: core.square, reciprocal: core.reciprocal, abs: core.abs, neg: core.neg, sign: core.sign },
  ...{ relu: core.relu, sigmoid: core.sigmoid, tanh: core.tanh, erf: core.erf, sin: core.sin, cos: core.cos },
  ...{ silu: core.silu, gelu: core.gelu, geluTanh: core.geluTanh, softplus: core.softplus },
  ...{ maxAll: core.max, minAll: core.min },
};

const binary = {
  ...{ add: core.add, sub: core.sub, mul: core.mul, div: core.div, maximum: core.maximum, minimum: core.minimum },
  ...{ pow: core.pow, eq: core.eq, ne: core.ne, lt: core.lt, le: core.le, gt: core.gt, ge: core.ge },
  matmul: core.matmul,
};

const withOptions: Record<string, (x: Tensor, params: Params) => Tensor> = {
  ...{ clamp: core.clamp, softmax: core.softmax, logSoftmax: core.logSoftmax, sum: core.sum, mean: core.mean },
  ...{ prod: core.prod, cumsum: core.cumsum, amax: core.amax, amin: core.amin, logsumexp: core.logsumexp },
  ...{ variance: core.variance, std: core.std, argmax: core.argmax, argmin: core.argmin },
};

const calls: Record<string, Call> = {
  ...Object.fromEntries(Object.entries(unary).map(([name, f]): [string, Call] => [name, ([x]) => f(x)])),
  ...Object.fromEntries(Object.entries(binary).map(([name, f]): [string, Call] => [name, ([x, y]) => f(x, y)])),
  ...Object.fromEntries(Object.entries(withOptions).map(([name, f]): [string, Call] => [name, ([x], p) => f(x, p)])),
  geglu: ([gate, up], params) => core.geglu(gate, up, params),
  powNumber: ([x], { exponent }) => core.pow(x, exponent),
  where: ([x]) => core.where(core.gt(x, 0), x, 0),
  max: ([x], options) => [core.max(x, options), core.argmax(x, options)],
  min: ([x], options) => [core.min(x, options), core.argmin(x, options)],
  topk: ([x], { k, dim }) => core.topk(x, k, { dim }),
  layerNorm: ([x, weight, bias], { eps }) => core.layerNorm(x, weight, bias, { eps }),
  rmsNorm: ([x, weight], { eps }) => core.rmsNorm(x, weight, { eps }),
  crossEntropy: ([x, labels], params) => core.crossEntropy(x, labels, params),
  mseLoss: ([x, y]) => core.mseLoss(x, y, { reduction: "none" }),
  l1Loss: ([x, y]) => core.l1Loss(x, y, { reduction: "none" }),
  binaryCrossEntropyWithLogits: ([x, y]) => core.binaryCrossEntropyWithLogits(x, y, { reduction: "none" }),
};

/** Functions for which the sign of a zero is compared; others may return either. */
const signed = new Set([
  ...["abs", "neg", "square", "sqrt", "reciprocal", "expm1", "log1p", "sin", "tanh", "erf", "silu", "geluTanh"],
  ...["add", "sub", "mul", "div", "pow"],
]);

/** Functions whose values or gradients are differences of similar values, with errors of units in their last place. */
const cancelling = new Set([
  "geglu",
  ...["softmax", "logSoftmax", "crossEntropy", "geglu"].map((name) => `gradient of ${name}`),
]);

function isClose(op: string, actual: number, expected: number): boolean {
  if (!Number.isFinite(expected) || (expected === 0 && signed.has(op))) return Object.is(actual, expected);
  // Subnormal results may differ in their last bits too.
  return Math.abs(actual - expected) <= 4e-6 * Math.abs(expected) + (cancelling.has(op) ? 2e-6 : 1e-44);
}

/** Describes every element of a tensor that differs from the expected value, with the inputs of the same size. */
function differences(op: string, actual: Tensor, expected: Numbers, inputs: readonly Numbers[]): string[] {
  const found = Array.from(actual.dataSync());
  return expected.values.flatMap((value, i) => {
    if (isClose(op, found[i], Number(value))) return [];
    const at = inputs.map(({ values }) => (values.length === found.length ? values[i] : `[${values}]`));
    return [`${i} at ${at.join(", ")}: ${Object.is(found[i], -0) ? "-0" : found[i]} instead of ${value}`];
  });
}

describe.each([
  ["reference", reference()],
  ["wasm, simd", await wasm({ build: "simd" })],
  ["wasm, relaxed", await wasm({ build: "relaxed" })],
] as const)("special numbers are answered as PyTorch does, on %s", (_name, backend) => {
  it.each(cases.map((c, i) => [`${c.op} ${JSON.stringify(c.params)} #${i}`, c] as const))("%s", (_case, c) => {
    const problems = scope(() => {
      const inputs = c.inputs.map(({ dtype, shape, values }) =>
        tensor(Float32Array.from(values, Number), { dtype: dtype as DType, shape, backend }),
      );
      const wanted = Object.entries(c.grads as Record<string, Numbers>);
      for (const [i] of wanted) inputs[Number(i)].requiresGrad = true;
      const outputs = [calls[c.op](inputs, c.params)].flat();
      const found = c.outputs.flatMap((e, i) => differences(c.op, outputs[i], e, c.inputs));
      if (wanted.length === 0) return found;
      const leaves = wanted.map(([i]) => inputs[Number(i)]);
      const weights = Float32Array.from({ length: outputs[0].size }, (_, i) => 2 ** (i % 3));
      const gradient = tensor(weights, { shape: outputs[0].shape, backend });
      const slopes = core.gradients(outputs[0], leaves, { gradient });
      return [...found, ...wanted.flatMap(([, e], n) => differences(`gradient of ${c.op}`, slopes[n], e, c.inputs))];
    });
    expect(problems).toEqual([]);
  });
});
