import { checkGrad, testBackend } from "@lowrank/core/testing";
import { kernel, webgpu } from "@lowrank/webgpu";
import * as lowrank from "../../index.gen.ts";
import { callsWith, type OptionCalls, type Untyped } from "./optionCall.ts";

const L: Untyped = { ...lowrank, kernel, webgpu };
const { ones, tensor } = lowrank;
const image = () => ones(1, 1, 4, 4);
const line = () => ones(1, 1, 4);
const ids = () => tensor([[1, 2]], { dtype: "i32" });

/** Calls of core, files and the backends. */
export const ofCore: OptionCalls = {
  ...callsWith(L, "ones, zeros, rand, randn, tensor", () => [[1]]),
  ...callsWith(L, "meta, dynamicMap, wasm, webgpu", () => []),
  ...callsWith(L, "openFiles, urlFiles", () => ["https://models.test/"]),
  ...callsWith(L, "binaryCrossEntropyWithLogits, klDiv, l1Loss, mseLoss, geglu", () => [ones(2), ones(2)]),
  ...callsWith(L, "matmul, solve", () => [ones(2, 2), ones(2, 2)]),
  ...callsWith(L, "max, min, clamp", () => [ones(2)]),
  ...callsWith(L, "topk, split", () => [ones(2), 1]),
  ...callsWith(L, "cat, stack", () => [[ones(2)]]),
  ...callsWith(L, "chunk, repeatInterleave", () => [ones(2), 2]),
  ...callsWith(L, "squeeze, flatten", () => [ones(1, 2)]),
  ...callsWith(L, "amax, amin, argmax, argmin, logsumexp, mean, prod, std, sum, tril, triu, variance", () => [
    ones(2, 2),
  ]),
  ...callsWith(L, "avgPool1d, maxPool1d", () => [line(), 2]),
  ...callsWith(L, "avgPool2d, maxPool2d, unfold", () => [image(), 2]),
  arange: (o) => L.arange(0, 2, 1, o),
  full: (o) => L.full([1], 1, o),
  backward: (o) => L.backward(ones(1), undefined, o),
  gradients: (o) => L.gradients(ones(1), [ones(1)], o),
  valueAndGrad: (o) => L.valueAndGrad(lowrank.neg, o),
  toBitsandbytes: (o) => L.toBitsandbytes(ones(1), "x", o),
  hubFiles: (o) => L.hubFiles("hf://org/name", o),
  openFile: (o) => L.openFile("https://models.test/x", o),
  crossEntropy: (o) => L.crossEntropy(ones(1, 2), tensor([0], { dtype: "i32" }), o),
  linearCrossEntropy: (o) => L.linearCrossEntropy(ones(1, 2), ones(2, 2), tensor([0], { dtype: "i32" }), o),
  linear: (o) => L.linear(ones(1, 2), ones(2, 2), null, o),
  pad: (o) => L.pad(ones(2), [1, 1], o),
  slice: (o) => L.slice(ones(2), { dim: 0, start: 0, ...o }),
  conv1d: (o) => L.conv1d(line(), ones(1, 1, 2), null, o),
  conv2d: (o) => L.conv2d(image(), ones(1, 1, 2, 2), null, o),
  fold: (o) => L.fold(ones(1, 4, 1), [2, 2], 2, o),
  attention: (o) => L.attention(ones(1, 1, 1, 1), ones(1, 1, 1, 1), ones(1, 1, 1, 1), o),
  scaledDotProductAttention: (o) =>
    L.scaledDotProductAttention(ones(1, 1, 1, 1), ones(1, 1, 1, 1), ones(1, 1, 1, 1), o),
  dropout: (o) => L.dropout(ones(2), { p: 0.5, ...o }),
  affine: (o) => L.affine(ones(2), { scale: 1, shift: 0, ...o }),
  inRange: (o) => L.inRange(ids(), o),
  oneHot: (o) => L.oneHot(ids(), { classes: 3, ...o }),
  quantize4bit: (o) => L.quantize4bit(ones(32, 32), o),
  rope: (o) => L.rope(ones(1, 1, 1, 2), tensor([[0]], { dtype: "i32" }), ones(1), o),
  checkGrad: (o) => checkGrad(lowrank.neg, [ones(1)], o),
  testBackend: (o) => testBackend(lowrank.reference(), o),
  kernel: (o) => L.kernel("acme/own", () => [], o),
};
