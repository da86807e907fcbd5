import { checkGrad, testBackend } from "@lowrank/core/testing";
import { kernel, webgpu } from "@lowrank/webgpu";
import * as lowrank from "../../index.gen.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const L: Untyped = { ...lowrank, kernel, webgpu };
const { ones, tensor } = lowrank;
const image = () => ones(1, 1, 4, 4);
const line = () => ones(1, 1, 4);
const ids = () => tensor([[1, 2]], { dtype: "i32" });

/** Calls of core, files and the backends. */
export const ofCore: OptionCalls = {
  arange: (o) => L.arange(0, 2, 1, o),
  full: (o) => L.full([1], 1, o),
  ones: (o) => L.ones([1], o),
  zeros: (o) => L.zeros([1], o),
  rand: (o) => L.rand([1], o),
  randn: (o) => L.randn([1], o),
  tensor: (o) => L.tensor([1], o),
  meta: (o) => L.meta(o),
  backward: (o) => L.backward(ones(1), undefined, o),
  gradients: (o) => L.gradients(ones(1), [ones(1)], o),
  valueAndGrad: (o) => L.valueAndGrad(lowrank.neg, o),
  toBitsandbytes: (o) => L.toBitsandbytes(ones(1), "x", o),
  dynamicMap: (o) => L.dynamicMap(o),
  hubFiles: (o) => L.hubFiles("hf://org/name", o),
  openFile: (o) => L.openFile("https://models.test/x", o),
  openFiles: (o) => L.openFiles("https://models.test/", o),
  urlFiles: (o) => L.urlFiles("https://models.test/", o),
  binaryCrossEntropyWithLogits: (o) => L.binaryCrossEntropyWithLogits(ones(2), ones(2), o),
  klDiv: (o) => L.klDiv(ones(2), ones(2), o),
  l1Loss: (o) => L.l1Loss(ones(2), ones(2), o),
  mseLoss: (o) => L.mseLoss(ones(2), ones(2), o),
  crossEntropy: (o) => L.crossEntropy(ones(1, 2), tensor([0], { dtype: "i32" }), o),
  linearCrossEntropy: (o) => L.linearCrossEntropy(ones(1, 2), ones(2, 2), tensor([0], { dtype: "i32" }), o),
  linear: (o) => L.linear(ones(1, 2), ones(2, 2), null, o),
  matmul: (o) => L.matmul(ones(2, 2), ones(2, 2), o),
  solve: (o) => L.solve(ones(2, 2), ones(2, 2), o),
  ...Object.fromEntries(
    ["amax", "amin", "argmax", "argmin", "logsumexp", "mean", "prod", "std", "sum", "variance"].map((name) => [
      name,
      (o: Untyped) => L[name](ones(2, 2), o),
    ]),
  ),
  max: (o) => L.max(ones(2), o),
  min: (o) => L.min(ones(2), o),
  topk: (o) => L.topk(ones(2), 1, o),
  cat: (o) => L.cat([ones(2)], o),
  stack: (o) => L.stack([ones(2)], o),
  chunk: (o) => L.chunk(ones(2), 2, o),
  split: (o) => L.split(ones(2), 1, o),
  squeeze: (o) => L.squeeze(ones(1, 2), o),
  flatten: (o) => L.flatten(ones(1, 2), o),
  pad: (o) => L.pad(ones(2), [1, 1], o),
  repeatInterleave: (o) => L.repeatInterleave(ones(2), 2, o),
  tril: (o) => L.tril(ones(2, 2), o),
  triu: (o) => L.triu(ones(2, 2), o),
  slice: (o) => L.slice(ones(2), { dim: 0, start: 0, ...o }),
  avgPool1d: (o) => L.avgPool1d(line(), 2, o),
  avgPool2d: (o) => L.avgPool2d(image(), 2, o),
  maxPool1d: (o) => L.maxPool1d(line(), 2, o),
  maxPool2d: (o) => L.maxPool2d(image(), 2, o),
  conv1d: (o) => L.conv1d(line(), ones(1, 1, 2), null, o),
  conv2d: (o) => L.conv2d(image(), ones(1, 1, 2, 2), null, o),
  fold: (o) => L.fold(ones(1, 4, 1), [2, 2], 2, o),
  unfold: (o) => L.unfold(image(), 2, o),
  attention: (o) => L.attention(ones(1, 1, 1, 1), ones(1, 1, 1, 1), ones(1, 1, 1, 1), o),
  scaledDotProductAttention: (o) =>
    L.scaledDotProductAttention(ones(1, 1, 1, 1), ones(1, 1, 1, 1), ones(1, 1, 1, 1), o),
  dropout: (o) => L.dropout(ones(2), { p: 0.5, ...o }),
  clamp: (o) => L.clamp(ones(2), o),
  affine: (o) => L.affine(ones(2), { scale: 1, shift: 0, ...o }),
  geglu: (o) => L.geglu(ones(2), ones(2), o),
  inRange: (o) => L.inRange(ids(), o),
  oneHot: (o) => L.oneHot(ids(), { classes: 3, ...o }),
  quantize4bit: (o) => L.quantize4bit(ones(32, 32), o),
  rope: (o) => L.rope(ones(1, 1, 1, 2), tensor([[0]], { dtype: "i32" }), ones(1), o),
  checkGrad: (o) => checkGrad(lowrank.neg, [ones(1)], o),
  testBackend: (o) => testBackend(lowrank.reference(), o),
  wasm: (o) => L.wasm(o),
  kernel: (o) => L.kernel("acme/own", () => [], o),
  webgpu: (o) => L.webgpu(o),
};
