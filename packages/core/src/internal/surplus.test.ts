import { beforeAll, describe, expect, it } from "vitest";
import "../index.ts";
import { init } from "../backends/backend.ts";
import { reference } from "../backends/reference.ts";
import { tensor } from "../creation/makeTensor.ts";
import * as f from "../functional/index.ts";
import { opCases } from "../testing/index.ts";

beforeAll(() => init(reference()));

const counts = (...lists: [count: number | string, names: string][]): Readonly<Record<string, number | string>> =>
  Object.fromEntries(lists.flatMap(([count, names]) => names.split(" ").map((name) => [name, count])));

/** The maximum number of tensors of functions with optional ones. */
const atMost = counts(
  [0, "cat stack"],
  [1, "amax amin argmax argmaxTokens argmin at avgPool1d avgPool2d chunk clone cumsum documentMask dropout expand"],
  [1, "flatten flip fold logSoftmax logsumexp max maxPool1d maxPool2d mean min neg pad permute prod repeatInterleave"],
  [1, "reshape rowSquares sampleTokens select slice softmax split squeeze std sum topk transpose tril triu unfold"],
  [1, "unsqueeze variance widen"],
  [2, "binaryCrossEntropyWithLogits crossEntropy gather indexSelect klDiv l1Loss matmul mseLoss solve"],
  [3, "attention conv1d conv2d doraNorm indexAdd linear linearCrossEntropy scaledDotProductAttention scatterAdd where"],
  [4, "documentAttention loraLinear"],
  [5, "doraLinear"],
  [2, "add div eq ge gt le lt maximum minimum mul ne pow sub"],
);

/** The number of tensors of functions that need all of them. */
const exactly = counts(
  [1, "abs affine avgPool2dBackward clamp cos erf exp expm1 gelu geluTanh inRange log log1p oneHot place powScalar"],
  [1, "quantize4bit reciprocal relu rsqrt scaleInPlace sigmoid sign silu sin softplus sqrt square sumToShape tanh to"],
  [1, "triangle"],
  [2, "addInto cacheWrite compare copyInto embedding embeddingBackward geglu geluBackward geluTanhBackward linearInt8"],
  [2, "logSoftmaxBackward quantizeBlockwise rmsNorm rmsNormWeightBackward layerNormWeightBackward siluBackward"],
  [2, "softmaxBackward swiglu"],
  [3, "dequantizeBlockwise gegluBackward layerNorm layerNormBackward pagedWrite rmsNormBackward"],
  [3, "rope swigluBackward"],
  [4, "crossEntropyBackward"],
  [5, "pagedAttention"],
  [7, "documentAttentionBackward"],
  // Optimiser steps also accept a guard.
  ["2 to 4", "sgdStep"],
  ["3 to 4", "adagradStep lionStep"],
  ["3 to 5", "rmspropStep"],
  ["8 to 9", "adamStep8bit"],
  ["6 to 7", "attentionBackward"],
);

/** Functions with any number of tensors. */
const variadic = new Set(["einsum", "gradNorm", "clipToNorm", "adamStep", "lowRankRows"]);

describe("a function refuses more tensors than it takes", () => {
  const functions = f as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of Object.keys(opCases).filter((name) => !variadic.has(name))) {
    it(name, () => {
      const tensors = Array.from({ length: 12 }, () => tensor([1]));
      const takes = exactly[name] ?? atMost[name];
      const what =
        name in exactly ? `it takes ${takes}` : takes === 0 ? "it takes a list of" : `it takes at most ${takes}`;
      const tensorsTaken = `${name}: ${what} tensor${takes === 1 ? "" : "s"}, and 12 were given`;
      expect(() => functions[name](...tensors)).toThrow(tensorsTaken);
    });
  }
});

it("leaves what is no tensor behind the others as it is, and counts those of a step without its guard", () => {
  const x = tensor([1, -2]);
  const loose = f as unknown as Record<string, (...args: unknown[]) => unknown>;
  expect(() => loose.neg(x, 0, [x])).not.toThrow();
  expect(() => [x].map(loose.relu as never)).not.toThrow();
  expect(() => f.mul(x, undefined as never)).toThrow("mul: it takes 2 tensors, and 1 was given");
  expect(() => loose.cacheWrite(x, undefined, x, x)).toThrow("cacheWrite: ");
  expect(() => loose.silu(null, x)).toThrow("silu: argument 0 is null; expected a tensor");
  expect(() => loose.silu(x, x)).toThrow("silu: it takes 1 tensor, and 2 were given");
  expect(() => loose.sum(x, x)).toThrow("sum: it takes at most 1 tensor, and 2 were given");
  expect(() => loose.add(x)).toThrow();
  expect(() => loose.mul()).toThrow();
  expect(() => loose.tanh()).toThrow("tanh: it takes 1 tensor, and 0 were given");
  expect(() => loose.cat(x, x)).toThrow("cat: it takes a list of tensors, and 2 were given one by one");
  const settings = { lr: 1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, first: true };
  const [a, b, c, d] = [1, 2, 3, 4].map((n) => tensor([n, n]));
  expect(() => f.sgdStep(a, b, c, d, settings)).toThrow("sgdStep: it takes 2 to 3 tensors, and 4 were given");
  expect(() => f.sgdStep(a, b, c, d, { ...settings, guard: "obey" })).not.toThrow();
});
