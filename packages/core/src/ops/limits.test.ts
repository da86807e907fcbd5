import { beforeAll, describe, expect, it } from "vitest";
import { definedOps } from "../engine/op.ts";
import type { Tensor } from "../index.ts";
import * as core from "../index.ts";
import * as internal from "../internal.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { ones, tensor } = core;
const i32 = (values: number[], shape: readonly number[] = [values.length]) => tensor(values, { dtype: "i32", shape });
const x = () => ones([2, 3, 4]);
const image = (...shape: number[]) => ones(shape.length > 0 ? shape : [1, 2, 5, 6]);
const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1, decoupled: true };

/** Calls with a setting at its limit, which pass, and beyond it, with their error. */
const table: [call: string, run: () => unknown, error?: string][] = [
  ["slice step 1", () => core.slice(x(), { step: 1 })],
  ["slice step 0", () => core.slice(x(), { step: 0 }), "slice: step 0 must be an integer of at least 1"],
  ["slice step 1.5", () => core.slice(x(), { step: 1.5 }), "slice: step 1.5 must be an integer of at least 1"],
  ["slice start 0.5", () => core.slice(x(), { start: 0.5 }), "slice: position 0.5 is not an integer"],
  ["slice with 3 ranges", () => core.slice(x(), null, [0], [1, 2, 1])],
  ["slice with 4 ranges", () => core.slice(x(), null, null, null, null), "slice: there are 4 ranges"],
  ["slice with a long range", () => core.slice(x(), [0, 1, 1, 1] as never), "slice: [0,1,1,1] is no range"],
  ["slice without ranges", () => core.slice(x()), "slice: it takes ranges"],
  ["place from 0", () => internal.place(ones(3), { dim: 0, size: 3, start: 0 })],
  ["place from -1", () => internal.place(ones(3), { dim: 0, size: 3, start: -1 }), "place: 3 elements from -1"],
  ["place step 0", () => internal.place(ones(3), { dim: 0, size: 9, start: 0, step: 0 }), "in steps of 0 do not fit"],
  ["place to the end", () => internal.place(ones(3), { dim: 0, size: 6, start: 1, step: 2 })],
  [
    "place beyond the end",
    () => internal.place(ones(3), { dim: 0, size: 5, start: 1, step: 2 }),
    "do not fit into size 5",
  ],
  ["place nothing", () => internal.place(ones(0), { dim: 0, size: 2, start: 2 })],
  ["place one at the end", () => internal.place(ones(1), { dim: 0, size: 2, start: 1 })],
  ["place one beyond", () => internal.place(ones(1), { dim: 0, size: 2, start: 2 }), "place: 1 elements from 2"],
  ["topk 0", () => core.topk(x(), 0)],
  ["topk n", () => core.topk(x(), 4)],
  ["topk n + 1", () => core.topk(x(), 5), "topk: k 5 is out of range for dim 2 of [2,3,4]; use 0..4"],
  ["topk -1", () => core.topk(x(), -1), "topk: k -1 is out of range"],
  ["topk 1.5", () => core.topk(x(), 1.5), "topk: k 1.5 is out of range"],
  ["dropout 0", () => core.dropout(x(), { p: 0 })],
  ["dropout 1", () => core.dropout(x(), { p: 1 })],
  ["dropout -0.1", () => core.dropout(x(), { p: -0.1 }), "dropout: p is -0.1; it must be a probability from 0 to 1"],
  ["dropout 1.1", () => core.dropout(x(), { p: 1.1 }), "dropout: p is 1.1"],
  ["dropout NaN", () => core.dropout(x(), { p: Number.NaN }), "dropout: p is NaN"],
  ["rope to the last row", () => rope([4, 2], { offset: 1 })],
  ["rope beyond the last row", () => rope([4, 2], { offset: 2 }), "positions 2..4 exceed the tables' 4 rows"],
  ["rope of all numbers", () => rope([3, 2])],
  ["rope of more numbers", () => rope([3, 3]), "rotate 6 values per head, but x has only 4"],
  ["rope tables of one dimension", () => rope([2]), "must both be [positions, R/2] or [batch, tokens, R/2]"],
  ["rope tables of four dimensions", () => rope([1, 2, 3, 2]), "must both be [positions, R/2]"],
  ["rope tables per token", () => rope([2, 3, 2])],
  ["rope tables per token with an offset", () => rope([2, 3, 2], { offset: 1 }), "as x does, and need offset 0"],
  ["rope tables for another batch", () => rope([1, 3, 2]), "must begin with [2,3] as x does"],
  ["rope tables for more tokens", () => rope([2, 4, 2]), "must begin with [2,3] as x does"],
  ["rope of three dimensions", () => core.rope(x(), ones([3, 2]), ones([3, 2]), {}), "rope: x [2,3,4] must be"],
  ["rope with other sines", () => core.rope(ones([1, 2, 1, 4]), ones([3, 2]), ones([4, 2]), {}), "must both be"],
  ["split in all", () => core.split(x(), [1, 0, 2], { dim: 1 })],
  ["split in less", () => core.split(x(), [1, 1], { dim: 1 }), "sizes [1,1] add up to 2, but dim 1 of [2,3,4] is 3"],
  ["split with a negative size", () => core.split(x(), [4, -1], { dim: 1 }), "split: sizes [4,-1]"],
  ["split with a fraction", () => core.split(x(), [1.5, 1.5], { dim: 1 }), "split: sizes [1.5,1.5]"],
  ["split by 1", () => core.split(x(), 1)],
  ["split by 0", () => core.split(x(), 0), "split: size 0 must be an integer of at least 1"],
  ["split by 1.5", () => core.split(x(), 1.5), "split: size 1.5 must be an integer of at least 1"],
  ["chunk into 1", () => core.chunk(x(), 1)],
  ["chunk into 1.5", () => core.chunk(x(), 1.5), "chunk: count 1.5 must be an integer of at least 1"],
  ["flatten of one dimension", () => core.flatten(x(), 1, 1)],
  ["flatten backwards", () => core.flatten(x(), 2, 1), "flatten: startDim 2 comes after endDim 1"],
  ["unsqueeze behind the last", () => core.unsqueeze(x(), 3)],
  ["unsqueeze beyond", () => core.unsqueeze(x(), 4), "unsqueeze: dim 4 is out of range for 4 dimensions"],
  ["unsqueeze before the first", () => core.unsqueeze(x(), -4)],
  ["stack behind the last", () => core.stack([x(), x()], 3)],
  ["stack beyond", () => core.stack([x(), x()], 4), "stack: dim 4 is out of range for 4 dimensions"],
  ["stack of nothing", () => core.stack([]), "stack: it takes a list of at least one tensor"],
  ["transpose with one dimension", () => core.transpose(x(), 1, undefined as never), "name the two dimensions to swap"],
  ["transpose without the first", () => core.transpose(x(), undefined as never, 1), "name the two dimensions to swap"],
  ["permute twice", () => core.permute(x(), 0, 1, 1), "permute: dims [0,1,1] must name each dimension"],
  ["permute less", () => core.permute(x(), 0, 1), "permute: dims [0,1] must name each dimension of [2,3,4] once"],
  [
    "expand a new dimension by -1",
    () => core.expand(ones(3), [-1, 3]),
    "expand: shape [-1,3] holds -1; sizes are integers of at least 0",
  ],
  ["pad by half a pair", () => core.pad(x(), [1]), "pad: [1] must hold two numbers for each of at most 3 dimensions"],
  ["pad all dimensions", () => core.pad(x(), [1, 1, 1, 1, 1, 1])],
  ["pad more dimensions", () => core.pad(ones(2), [1, 1, 1, 1]), "pad: [1,1,1,1] must hold two numbers"],
  ["pad away all", () => core.pad(ones(3), [-1, -2])],
  ["pad away more", () => core.pad(ones(3), [-2, -2]), "-2 before and -2 after cut off more than the 3 elements"],
  ["pad away more before", () => core.pad(ones(3), [-4, 9]), "pad: -4 before and 9 after cut off more than the 3"],
  ["reshape to as many", () => core.reshape(x(), 4, -1, 2)],
  [
    "reshape with two unknown",
    () => core.reshape(x(), -1, -1),
    "reshape: cannot view [2,3,4] (24 elements) as [-1,-1]",
  ],
  ["reshape to a fraction", () => core.reshape(x(), -1, 5), "reshape: cannot view [2,3,4]"],
  ["reshape to negative sizes", () => core.reshape(x(), -4, -6), "reshape: cannot view [2,3,4]"],
  ["repeatInterleave by -1", () => core.repeatInterleave(x(), -1), "expand: shape [24,-1] holds -1"],
  ["repeatInterleave by 0", () => core.repeatInterleave(x(), 0)],
  ["select the first", () => core.select(x(), 1, -3)],
  ["select before the first", () => core.select(x(), 1, -4), "position -4 is not in dim 1 of [2,3,4]; use -3..2"],
  ["select the last", () => core.select(x(), 1, 2)],
  ["select behind the last", () => core.select(x(), 1, 3), "select: position 3 is not in dim 1"],
  ["select between", () => core.select(x(), 1, 0.5), "select: position 0.5 is not in dim 1"],
  ["at all dimensions", () => core.at(x(), 0, 0, 0)],
  ["at more dimensions", () => core.at(x(), 0, 0, 0, 0), "at: [2,3,4] takes 1 to 3 positions, and 4 were given"],
  ["sum over the last", () => core.sum(x(), 2)],
  ["sum beyond the last", () => core.sum(x(), 3), "sum: dim 3 is out of range for 3 dimensions; use -3..2"],
  ["sum before the first", () => core.sum(x(), -4), "sum: dim -4 is out of range"],
  ["sum between", () => core.sum(x(), 0.5), "sum: dim 0.5 is out of range"],
  ["a window as large as the image", () => core.maxPool2d(image(), [5, 6])],
  ["a window larger than the image", () => core.maxPool2d(image(), [6, 6]), "a window of height 6 does not fit"],
  ["a wider window", () => core.avgPool2d(image(), [5, 7]), "a window of width 7 does not fit into a width of 6"],
  ["a window that padding holds", () => core.avgPool2d(image(), [7, 6], { padding: [1, 0] })],
  ["dilation that reaches the end", () => core.unfold(image(), 3, { dilation: 2 })],
  ["dilation beyond the end", () => core.unfold(image(), 3, { dilation: [3, 2] }), "a window of height 7 does not fit"],
  [
    "stride 0",
    () => core.avgPool2d(image(), 2, { stride: 0 }),
    "stride is 0 x 0; expected whole numbers of at least 1",
  ],
  ["kernelSize 0", () => core.unfold(image(), 0), "kernelSize is 0 x 0; expected whole numbers of at least 1"],
  [
    "dilation 0",
    () => core.unfold(image(), 2, { dilation: 0 }),
    "dilation is 0 x 0; expected whole numbers of at least 1",
  ],
  [
    "padding -1",
    () => core.unfold(image(), 2, { padding: -1 }),
    "padding is -1 x -1; expected whole numbers of at least 0",
  ],
  ["padding 0.5", () => core.unfold(image(), 2, { padding: 0.5 }), "padding is 0.5 x 0.5; expected whole numbers"],
  ["an image of height 0", () => core.unfold(image(1, 1, 0, 3), 1), "does not fit into a height of 0"],
  ["an image of height 0 with padding", () => core.unfold(image(1, 1, 0, 3), 1, { padding: 1 }), "a height of 0"],
  ["padding of half a window", () => core.maxPool2d(image(), 4, { padding: 2 })],
  ["padding of more", () => core.maxPool2d(image(), 4, { padding: [2, 3] }), "padding 2 x 3 is more than half"],
  ["padding of more, mean", () => core.avgPool2d(image(), 4, { padding: [3, 2] }), "padding 3 x 2 is more than half"],
  ["maxPool2d of two dimensions", () => core.maxPool2d(image(5, 6), 2), "the input [5,6] has 2 dimensions"],
  ["maxPool2d of five dimensions", () => core.maxPool2d(image(1, 1, 1, 5, 6), 2), "has 5 dimensions"],
  ["maxPool1d of two dimensions", () => core.maxPool1d(image(5, 6), 2)],
  ["maxPool1d of one dimension", () => core.maxPool1d(image(5), 2), "maxPool1d: the input [5] has 1 dimensions"],
  ["avgPool1d of four dimensions", () => core.avgPool1d(image(), 2), "avgPool1d: the input [1,2,5,6] has 4 dimensions"],
  ["conv2d groups 0", () => conv2d([2, 2, 1, 1], null, 0), "conv2d: groups is 0; expected a whole number that divides"],
  ["conv2d groups 0.5", () => conv2d([2, 4, 1, 1], null, 0.5), "conv2d: groups is 0.5"],
  ["conv2d in groups", () => conv2d([4, 1, 1, 1], null, 2)],
  ["conv2d with odd filters", () => conv2d([3, 1, 1, 1], null, 2), "divides 2 channels and 3 filters"],
  [
    "conv2d with more groups",
    () => conv2d([3, 1, 1, 1], null, 3),
    "groups is 3; expected a whole number that divides 2",
  ],
  ["conv2d of more channels", () => conv2d([3, 3, 1, 1], null, 1), "the weight [3,3,1,1] needs 3 channels per group"],
  ["conv2d in 2 groups of more", () => conv2d([4, 2, 1, 1], null, 2), "in 2 groups has 1"],
  ["conv2d with a bias", () => conv2d([3, 2, 1, 1], [3], 1)],
  ["conv2d with a matrix as bias", () => conv2d([3, 2, 1, 1], [3, 1], 1), "the bias [3,1] is not [3]"],
  [
    "conv2d with a short bias",
    () => conv2d([3, 2, 1, 1], [2], 1),
    "the bias [2] is not [3], one number for each filter",
  ],
  [
    "fold of other rows",
    () => core.fold(ones([5, 4]), 3, 2),
    "fold: dim -2 of [5,4] is 5; expected a multiple of 4, the number of elements in a window",
  ],
  ["keyLength 0", () => attend({ keyLength: 0 })],
  ["keyLength -1", () => attend({ keyLength: -1 }), "attention: keyLength -1 must be within the 5 rows of k"],
  ["keyLength 5", () => attend({ keyLength: 5 })],
  ["keyLength 6", () => attend({ keyLength: 6 }), "attention: keyLength 6 must be within the 5 rows of k"],
  ["window 0 without causal", () => attend({ window: 0 })],
  ["window 1 without causal", () => attend({ window: 1 }), "attention: a window of 1 needs causal: true"],
  ["window 1", () => attend({ window: 1, causal: true })],
  ["mask [S]", () => attend({ mask: ones([5], { dtype: "bool" }) })],
  ["mask [1, S]", () => attend({ mask: ones([1, 5], { dtype: "u8" }) })],
  [
    "mask [T, 1]",
    () => attend({ mask: ones([3, 1], { dtype: "bool" }) }),
    "does not broadcast to [B,H,T,S] = [2,4,3,5]",
  ],
  ["mask of five dimensions", () => attend({ mask: ones([1, 1, 1, 1, 5], { dtype: "bool" }) }), "does not broadcast"],
  ["mask of floats", () => attend({ mask: ones([5]) }), "the mask [5] is f32, expected bool or u8 (true = attend)"],
  ["mask of two heads", () => attend({ mask: ones([2, 3, 5], { dtype: "bool" }) }), "does not broadcast"],
  ["quantizeBlockwise in blocks of 1", () => core.quantizeBlockwise(ones(3), ones(256), { blockSize: 1 })],
  [
    "quantizeBlockwise in blocks of 0",
    () => blockwise({ blockSize: 0 }),
    "blockSize is 0; use a whole number of at least 1",
  ],
  ["quantizeBlockwise in blocks of 1.5", () => blockwise({ blockSize: 1.5 }), "blockSize is 1.5; use a whole number"],
  ["cacheWrite at the end", () => cacheWrite(2)],
  ["cacheWrite beyond the end", () => cacheWrite(3), "cacheWrite: rows 3..5 are outside the cache's 5 rows"],
  ["cacheWrite at -1", () => cacheWrite(-1), "cacheWrite: rows -1..1 are outside"],
  ["cacheWrite at NaN", () => cacheWrite(Number.NaN), "are outside the cache's 5 rows"],
  ["cacheWrite at each end", () => cacheWrite([0, 2])],
  ["cacheWrite with one beyond", () => cacheWrite([0, 3]), "cacheWrite: rows 3..5 are outside"],
  ["cacheWrite at one position", () => cacheWrite([0]), "cacheWrite: 1 positions for a batch of 2"],
  [
    "cacheWrite of another dtype",
    () => internal.cacheWrite(ones([2, 5]), i32([1, 1], [2, 1]), { position: 0 }),
    "i32 rows [2,1]",
  ],
  ["lowRankRows", () => lowRankRows([[0, 2], [1]])],
  ["lowRankRows of row 3", () => lowRankRows([[0, 3], [1]]), "lowRankRows: row 3 is not one of the 3 rows"],
  ["lowRankRows of row -1", () => lowRankRows([[0, -1], [1]]), "lowRankRows: row -1 is not one of the 3 rows"],
  ["lowRankRows of a row twice", () => lowRankRows([[0, 2], [2]]), "lowRankRows: row 2 is named twice"],
  ["lowRankRows with one list", () => lowRankRows([[0]]), "4 factors, 1 lists of rows and 2 scalings"],
  ["lowRankRows with one scaling", () => lowRankRows([[0], [1]], [1]), "4 factors, 2 lists of rows and 1 scalings"],
  ["triangle of a vector", () => core.tril(ones(3)), "triangle: [3] must have at least 2 dimensions"],
  ["temperature 0", () => sample({ temperature: 0 }), "temperature is 0; expected a positive number (0 is argmax)"],
  ["temperature 0.01", () => sample({ temperature: 0.01 })],
  ["topK 0", () => sample({ topK: 0 })],
  ["topK -1", () => sample({ topK: -1 }), "topK is -1; expected a whole number, 0 for all"],
  ["topK 1.5", () => sample({ topK: 1.5 }), "topK is 1.5"],
  ["topP 0", () => sample({ topP: 0 }), "topP is 0; expected a number above 0, at most 1"],
  ["topP 1", () => sample({ topP: 1 })],
  ["topP 1.1", () => sample({ topP: 1.1 }), "topP is 1.1"],
  ["minP 0", () => sample({ minP: 0 })],
  ["minP 1", () => sample({ minP: 1 })],
  ["minP 1.1", () => sample({ minP: 1.1 }), "minP is 1.1; expected a number from 0 to 1"],
  ["minP -0.1", () => sample({ minP: -0.1 }), "minP is -0.1"],
  ["logits without tokens", () => internal.sampleTokens(ones([2, 0])), "the logits [2,0] must be [rows, tokens]"],
  [
    "logits of three dimensions",
    () => internal.sampleTokens(x()),
    "sampleTokens: the logits [2,3,4] must be [rows, tokens]",
  ],
  ["logits of no row", () => internal.sampleTokens(ones([0, 2]))],
  [
    "isCausal with a mask",
    () => sdpa({ isCausal: true, mask: ones([5], { dtype: "bool" }) }),
    "isCausal is given with a mask",
  ],
  [
    "isCausal twice",
    () => sdpa({ isCausal: true, isCausalLowerRight: true }),
    "isCausal is given with isCausalLowerRight",
  ],
  ["a mask at the lower right", () => sdpa({ isCausalLowerRight: true, mask: ones([5], { dtype: "bool" }) })],
  ["fewer heads", () => sdpa({}, 1), "q [1,2,3,4] and k [1,1,5,4] differ in heads; set enableGqa"],
  ["fewer heads with enableGqa", () => sdpa({ enableGqa: true }, 1)],
  [
    "adamStep of 3 tensors",
    () => internal.adamStep(ones(1), ones(1), ones(1), adam),
    "adamStep: 3 tensors; give 4 for each",
  ],
  ["an empty guard", () => guarded([0]), "adamStep: the guard [0] must be a vector of at least one number"],
  ["a guard of two dimensions", () => guarded([1, 1]), "adamStep: the guard [1,1] must be a vector"],
  ["a guard of one number", () => guarded([1])],
  ["oneHot into as many classes", () => core.oneHot(i32([0, 2]), { classes: 3 })],
  ["doraLinear with a short magnitude", () => dora([2]), "doraLinear: the magnitude [2] must be [3], one per row of W"],
  ["doraLinear with a matrix as magnitude", () => dora([3, 1]), "doraLinear: the magnitude [3,1] must be [3]"],
  [
    "amax with a shape of more dimensions",
    () => op("amax", x(), { shape: [1, 2, 3, 4] }),
    "does not broadcast to [2,3,4]",
  ],
  [
    "embedding of a vector",
    () => core.embedding(ones(3), i32([0])),
    "embedding: the weight [3] must be [vocabulary, width]",
  ],
  ["to a packed dtype", () => core.to(ones(3), { dtype: "nf4" as never }), "to: f32 [3] cannot become nf4"],
  ["a reduction of another name", () => core.klDiv(ones(1), ones(1), { reduction: "none" })],
];

const rope = (shape: number[], params = {}) => core.rope(ones([2, 3, 1, 4]), ones(shape), ones(shape), params);
const conv2d = (weight: number[], bias: number[] | null, groups: number) =>
  core.conv2d(image(), ones(weight), bias && ones(bias), { groups });
const attend = (options: core.AttentionOptions) =>
  core.attention(ones([2, 3, 4, 8]), ones([2, 5, 2, 8]), ones([2, 5, 2, 8]), options);
const blockwise = (params: { blockSize: number }) => core.quantizeBlockwise(ones(3), ones(256), params);
const cacheWrite = (position: number | number[]) => internal.cacheWrite(ones([2, 5, 1]), ones([2, 3, 1]), { position });
const sample = (options: object) => internal.sampleTokens(ones([2, 4]), options);
const sdpa = (options: object, heads = 2) =>
  core.scaledDotProductAttention(ones([1, 2, 3, 4]), ones([1, heads, 5, 4]), ones([1, heads, 5, 4]), options);
const guarded = (shape: number[]) =>
  internal.adamStep(...[1, 1, 1, 1].map((n) => ones([n])), ones(shape), { ...adam, guard: "obey" });
const dora = (shape: number[]) =>
  internal.doraLinear(ones([1, 2]), ones([3, 2]), ones([1, 2]), ones([3, 1]), ones(shape), { scaling: 1 });
const op = (name: string, t: Tensor, params: object) =>
  definedOps()
    .get(name)
    ?.shape([t], params as never);
function lowRankRows(rows: number[][], scalings = [1, 2]): Tensor {
  const factors = [0, 1].flatMap(() => [ones([1, 4]), ones([2, 1])]);
  return internal.lowRankRows(ones([3, 2]), ones([3, 4]), ...factors, { rows, scalings });
}

describe("settings at their limits and beyond", () => {
  it.each(table)("%s", (_call, run, error) => {
    if (error === undefined) expect(run).not.toThrow();
    else expect(run).toThrow(error);
  });
});

it("frozen lists of rows are checked again for a batch of another size", () => {
  const rows = Object.freeze([Object.freeze([0, 2])]);
  const run = (count: number) =>
    internal.lowRankRows(ones([count, 2]), ones([count, 4]), ones([1, 4]), ones([2, 1]), { rows, scalings: [1] });
  expect(() => run(3)).not.toThrow();
  expect(() => run(3)).not.toThrow();
  expect(() => run(2)).toThrow("lowRankRows: row 2 is not one of the 2 rows");
  const open = [[0, 2]];
  const params = { rows: open, scalings: [1] };
  const again = () => internal.lowRankRows(ones([3, 2]), ones([3, 4]), ones([1, 4]), ones([2, 1]), params);
  again();
  open[0].push(2);
  expect(again).toThrow("lowRankRows: row 2 is named twice");
  const half = Object.freeze([[1]]);
  const halfFrozen = () =>
    internal.lowRankRows(ones([3, 2]), ones([3, 4]), ones([1, 4]), ones([2, 1]), { rows: half, scalings: [1] });
  halfFrozen();
  half[0].push(1);
  expect(halfFrozen).toThrow("lowRankRows: row 1 is named twice");
});
