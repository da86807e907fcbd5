import { describe, expect, it } from "vitest";
import * as core from "../index.ts";
import { type Backend, init, reference, type Tensor, tensor, withBackend } from "../index.ts";
import * as internal from "../internal.ts";
import { primitives } from "../testing/index.ts";

await init(reference());

const { ones, zeros, arange } = core;
const i32 = (values: number[], shape: readonly number[] = [values.length]) => tensor(values, { dtype: "i32", shape });
/** Returns the values from 0 on in f32. */
const upTo = (...shape: number[]) =>
  core.reshape(
    arange(
      0,
      shape.reduce((a, b) => a * b, 1),
      { dtype: "f32" },
    ),
    shape,
  );
const root = Math.sqrt;
const [e, ln] = [Math.exp, Math.log];
const nan = Number.NaN;

/** Expected results by hand, or by PyTorch's and NumPy's documented rules. */
const table: [call: string, run: () => Tensor, expected: unknown][] = [
  [
    "transpose(0, 2)",
    () => core.transpose(upTo(1, 2, 3), 0, 2),
    [
      [[0], [3]],
      [[1], [4]],
      [[2], [5]],
    ],
  ],
  [
    "transpose(-1, -2)",
    () => core.transpose(upTo(2, 2), -1, -2),
    [
      [0, 2],
      [1, 3],
    ],
  ],
  [
    "transpose(1, 1)",
    () => core.transpose(upTo(2, 2), 1, 1),
    [
      [0, 1],
      [2, 3],
    ],
  ],
  ["unsqueeze(-1)", () => core.unsqueeze(upTo(2), -1), [[0], [1]]],
  ["unsqueeze(0)", () => core.unsqueeze(upTo(2), 0), [[0, 1]]],
  ["unsqueeze(-2)", () => core.unsqueeze(upTo(2), -2), [[0, 1]]],
  ["squeeze()", () => core.squeeze(upTo(1, 2, 1)), [0, 1]],
  ["squeeze(-1)", () => core.squeeze(upTo(1, 2, 1), -1), [[0, 1]]],
  ["flatten of a scalar", () => core.flatten(tensor(3)), [3]],
  [
    "flatten({ endDim })",
    () => core.flatten(upTo(2, 1, 2), { endDim: 1 }),
    [
      [0, 1],
      [2, 3],
    ],
  ],
  ["flatten(1)", () => core.flatten(upTo(1, 2, 2), 1), [[0, 1, 2, 3]]],
  [
    "flatten(1, 1)",
    () => core.flatten(upTo(1, 2, 2), 1, 1),
    [
      [
        [0, 1],
        [2, 3],
      ],
    ],
  ],
  ["flatten({ startDim: -2 })", () => core.flatten(upTo(1, 2, 2), { startDim: -2 }), [[0, 1, 2, 3]]],
  [
    "expand(-1, 2)",
    () => core.expand(tensor([[1], [2]]), -1, 2),
    [
      [1, 1],
      [2, 2],
    ],
  ],
  [
    "expand(2, -1)",
    () => core.expand(upTo(2), 2, -1),
    [
      [0, 1],
      [0, 1],
    ],
  ],
  ["cat()", () => core.cat([upTo(2), upTo(1)]), [0, 1, 0]],
  ["cat(-1)", () => core.cat([upTo(1, 2), upTo(1, 1)], -1), [[0, 1, 0]]],
  [
    "stack()",
    () => core.stack([upTo(2), ones(2)]),
    [
      [0, 1],
      [1, 1],
    ],
  ],
  [
    "stack(-1)",
    () => core.stack([upTo(2), ones(2)], { dim: -1 }),
    [
      [0, 1],
      [1, 1],
    ],
  ],
  ["split(2)[1]", () => core.split(upTo(3), 2)[1], [2]],
  ["split([1, 2], -1)[1]", () => core.split(upTo(1, 3), [1, 2], { dim: -1 })[1], [[1, 2]]],
  ["split of nothing", () => core.split(zeros(0), 2)[0], []],
  ["chunk(2)[0]", () => core.chunk(upTo(3), 2)[0], [0, 1]],
  ["pad([1, 2])", () => core.pad(upTo(1, 2), [1, 2]), [[0, 0, 1, 0, 0]]],
  [
    "pad([0, 0, 1, 0])",
    () => core.pad(upTo(1, 2), [0, 0, 1, 0], { value: 7 }),
    [
      [7, 7],
      [0, 1],
    ],
  ],
  ["pad([0, 1])", () => core.pad(upTo(2), [0, 1], { value: 7 }), [0, 1, 7]],
  ["pad([1, 0])", () => core.pad(upTo(2), [1, 0], { value: 7 }), [7, 0, 1]],
  ["pad([-1, 1])", () => core.pad(upTo(3), [-1, 1], { value: 7 }), [1, 2, 7]],
  ["pad([1, -1])", () => core.pad(upTo(3), [1, -1], { value: 7 }), [7, 0, 1]],
  ["pad([-1, 0])", () => core.pad(upTo(3), [-1, 0]), [1, 2]],
  ["pad([0, -1])", () => core.pad(upTo(3), [0, -1]), [0, 1]],
  ["pad([-1, -2])", () => core.pad(upTo(3), [-1, -2]), []],
  [
    "tril()",
    () => core.tril(ones(2, 3)),
    [
      [1, 0, 0],
      [1, 1, 0],
    ],
  ],
  [
    "tril(1)",
    () => core.tril(ones(2, 3), 1),
    [
      [1, 1, 0],
      [1, 1, 1],
    ],
  ],
  [
    "triu()",
    () => core.triu(ones(3, 2)),
    [
      [1, 1],
      [0, 1],
      [0, 0],
    ],
  ],
  [
    "triu({ diagonal: -1 })",
    () => core.triu(ones(3, 2), { diagonal: -1 }),
    [
      [1, 1],
      [1, 1],
      [0, 1],
    ],
  ],
  ["triu of matrices", () => core.triu(ones(2, 1, 2), 1), [[[0, 1]], [[0, 1]]]],
  [
    "flip(-1)",
    () => core.flip(upTo(2, 2), -1),
    [
      [1, 0],
      [3, 2],
    ],
  ],
  [
    "flip([0, 1])",
    () => core.flip(upTo(2, 2), [0, 1]),
    [
      [3, 2],
      [1, 0],
    ],
  ],
  ["repeatInterleave(2)", () => core.repeatInterleave(upTo(2, 1), 2), [0, 0, 1, 1]],
  [
    "repeatInterleave(2, 0)",
    () => core.repeatInterleave(upTo(2, 2), 2, 0),
    [
      [0, 1],
      [0, 1],
      [2, 3],
      [2, 3],
    ],
  ],
  [
    "repeatInterleave(2, -1)",
    () => core.repeatInterleave(upTo(2, 2), 2, { dim: -1 }),
    [
      [0, 0, 1, 1],
      [2, 2, 3, 3],
    ],
  ],
  ["slice(null)", () => core.slice(upTo(2), null), [0, 1]],
  ["slice([1, null])", () => core.slice(upTo(3), [1, null]), [1, 2]],
  ["slice([null, 2])", () => core.slice(upTo(3), [null, 2]), [0, 1]],
  ["slice([0, 9, 2])", () => core.slice(upTo(3), [0, 9, 2]), [0, 2]],
  ["slice([-9, -1])", () => core.slice(upTo(3), [-9, -1]), [0, 1]],
  ["slice([2, 1])", () => core.slice(upTo(3), [2, 1]), []],
  ["slice({ step: 2 })", () => core.slice(upTo(4), { step: 2 }), [0, 2]],
  ["slice({ start: 1, step: 3 })", () => core.slice(upTo(8), { start: 1, step: 3 }), [1, 4, 7]],
  ["slice({ dim: -1, start: -1 })", () => core.slice(upTo(2, 2), { dim: -1, start: -1 }), [[1], [3]]],
  ["clone of a scalar", () => core.clone(tensor(3)), 3],
  ["select(-1, 0)", () => core.select(upTo(2, 2), -1, 0), [0, 2]],
  ["place", () => internal.place(ones(2), { dim: 0, size: 5, start: 1, step: 2, value: 3 }), [3, 1, 3, 1, 3]],
  ["place by default", () => internal.place(ones(2), { dim: -1, size: 4, start: 1 }), [0, 1, 1, 0]],
  ["mean()", () => core.mean(upTo(2, 2)), 1.5],
  ["mean([0, 1], keepdim)", () => core.mean(upTo(2, 2), { dim: [0, 1], keepdim: true }), [[1.5]]],
  ["sum(-1, keepdim)", () => core.sum(upTo(2, 2), { dim: -1, keepdim: true }), [[1], [5]]],
  ["sum over no dimension", () => core.sum(upTo(2), { dim: [] }), [0, 1]],
  ["variance()", () => core.variance(tensor([1, 2, 3, 6])), 14 / 3],
  ["variance, biased", () => core.variance(tensor([1, 2, 3, 6]), { correction: 0 }), 3.5],
  ["variance, correction 2", () => core.variance(tensor([1, 2, 3, 6]), { correction: 2 }), 7],
  ["variance of one", () => core.variance(tensor([3])), nan],
  ["variance, correction above n", () => core.variance(tensor([1, 3]), { correction: 3 }), Infinity],
  ["variance(1, keepdim)", () => core.variance(tensor([[1, 3]]), { dim: 1, keepdim: true }), [[2]]],
  ["std()", () => core.std(tensor([1, 2, 3, 6])), Math.fround(root(14 / 3))],
  ["std of equals", () => core.std(tensor([2, 2])), 0],
  ["max(keepdim)", () => core.max(upTo(2, 2), { keepdim: true }), [[3]]],
  ["max(1)", () => core.max(upTo(2, 2), { dim: 1 }), [1, 3]],
  ["min(0, keepdim)", () => core.min(upTo(2, 2), { dim: 0, keepdim: true }), [[0, 1]]],
  ["argmax(keepdim)", () => core.argmax(upTo(2, 2), { keepdim: true }), [[3]]],
  ["argmin(-1, keepdim)", () => core.argmin(upTo(2, 2), { dim: -1, keepdim: true }), [[0], [0]]],
  ["argmin of a scalar", () => core.argmin(tensor(2)), 0],
  ["amax([0, 1])", () => core.amax(upTo(2, 2), [0, 1]), 3],
  ["amin(keepdim)", () => core.amin(upTo(2, 2), { keepdim: true }), [[0]]],
  ["prod of 1", () => core.prod(tensor([3])), 3],
  ["prod of 2", () => core.prod(tensor([3, 2])), 6],
  ["prod of 5", () => core.prod(tensor([3, 2, 5, 7, 11])), 2310],
  ["prod of 6", () => core.prod(tensor([3, 2, 5, 7, 11, 2])), 4620],
  ["prod(keepdim)", () => core.prod(tensor([[3, 2]]), { keepdim: true }), [[6]]],
  ["prod(0, keepdim)", () => core.prod(tensor([[3], [2]]), { dim: 0, keepdim: true }), [[6]]],
  [
    "logsumexp(0)",
    () =>
      core.exp(
        core.logsumexp(
          core.log(
            tensor([
              [1, 2],
              [3, 5],
            ]),
          ),
          0,
        ),
      ),
    [4, 7],
  ],
  ["logsumexp(keepdim)", () => core.exp(core.logsumexp(core.log(tensor([[1, 2]])), { keepdim: true })), [[3]]],
  ["topk(1)", () => core.topk(tensor([[1, 3, 2]]), 1)[1], [[1]]],
  ["topk(2, 0)", () => core.topk(tensor([1, 3, 2]), 2, 0)[0], [3, 2]],
  ["eq", () => core.eq(tensor([1, 2, nan]), tensor([1, 3, nan])), [true, false, false]],
  ["ne", () => core.ne(tensor([1, 2, nan]), tensor([1, 3, nan])), [false, true, true]],
  ["lt", () => core.lt(tensor([1, 2, 3, nan]), 2), [true, false, false, false]],
  ["le", () => core.le(tensor([1, 2, 3, nan]), 2), [true, true, false, false]],
  ["gt", () => core.gt(tensor([1, 2, 3, nan]), 2), [false, false, true, false]],
  ["ge", () => core.ge(tensor([1, 2, 3, nan]), 2), [false, true, true, false]],
  ["le with a number first", () => core.le(2, tensor([1, 2, 3])), [false, true, true]],
  ["gt with a number first", () => core.gt(2, tensor([1, 2, 3])), [true, false, false]],
  ["ne of i32", () => core.ne(i32([1, 2]), 2), [true, false]],
  ["where of numbers", () => core.where(tensor([1, 0], { dtype: "bool" }), 1, 2), [1, 2]],
  ["where of i32", () => core.where(tensor([1, 0], { dtype: "bool" }), i32([5]), 2), [5, 2]],
  ["where with u8", () => core.where(tensor([2, 0], { dtype: "u8" }), 1, tensor([3, 4])), [1, 4]],
  ["clamp(min)", () => core.clamp(tensor([-1, 2]), { min: 0 }), [0, 2]],
  ["clamp(max)", () => core.clamp(tensor([-1, 2]), { max: 0 }), [-1, 0]],
  ["clamp of NaN", () => core.clamp(tensor([nan]), { min: 0, max: 1 }), [nan]],
  ["clamp, crossed", () => core.clamp(tensor([0]), { min: 3, max: 1 }), [1]],
  ["to i32", () => core.to(tensor([1.9, -1.9, 3e9, -3e9, nan]), { dtype: "i32" }), [1, -1, 2147483647, -2147483648, 0]],
  ["to u8", () => core.to(tensor([-1, 0, 1.9, 255, 256, nan]), { dtype: "u8" }), [0, 0, 1, 255, 255, 0]],
  ["to bool", () => core.to(tensor([0, -0, 0.5, nan, -1]), { dtype: "bool" }), [false, false, true, true, true]],
  ["to f32 of bool", () => core.to(tensor([1, 0], { dtype: "bool" }), { dtype: "f32" }), [1, 0]],
  [
    "cumsum(0)",
    () => core.cumsum(upTo(3, 2), 0),
    [
      [0, 1],
      [2, 4],
      [6, 9],
    ],
  ],
  ["gather(1)", () => core.gather(upTo(2, 3), i32([2, 0], [2, 1]), { dim: 1 }), [[2], [3]]],
  ["gather(0)", () => core.gather(upTo(2, 3), 0, i32([1, 0], [1, 2])), [[3, 1]]],
  ["scatterAdd", () => core.scatterAdd(zeros(3), i32([2, 0, 2]), tensor([1, 2, 4]), { dim: 0 }), [2, 0, 5]],
  [
    "indexSelect(0)",
    () => core.indexSelect(upTo(2, 2), 0, i32([1, 1, 0])),
    [
      [2, 3],
      [2, 3],
      [0, 1],
    ],
  ],
  ["indexAdd(1)", () => core.indexAdd(upTo(1, 3), i32([2, 2]), tensor([[5, 7]]), { dim: 1 }), [[0, 1, 14]]],
  [
    "oneHot",
    () => core.oneHot(i32([1, 0, -1]), { classes: 2, ignoreIndex: -1 }),
    [
      [0, 1],
      [1, 0],
      [0, 0],
    ],
  ],
  [
    "argmaxTokens",
    () =>
      internal.argmaxTokens(
        tensor([
          [1, 3, 3],
          [nan, 1, 2],
          [-Infinity, Infinity, 0],
        ]),
      ),
    [1, -1, -1],
  ],
  ["matmul of vectors", () => core.matmul(tensor([1, 2]), tensor([3, 4])), 11],
  ["matmul of a vector and a matrix", () => core.matmul(tensor([1, 2]), upTo(2, 3)), [6, 9, 12]],
  ["matmul of a matrix and a vector", () => core.matmul(upTo(2, 3), tensor([1, 2, 3])), [8, 26]],
  [
    "matmul with transposeA and a vector",
    () => core.matmul(upTo(2, 3), tensor([1, 2]), { transposeA: true }),
    [6, 9, 12],
  ],
  [
    "matmul with transposeB and a vector",
    () => core.matmul(tensor([1, 2, 3]), upTo(2, 3), { transposeB: true }),
    [8, 26],
  ],
  ["matmul with both", () => core.matmul(upTo(2, 1), upTo(3, 2), { transposeA: true, transposeB: true }), [[1, 3, 5]]],
  ["linear", () => core.linear(tensor([1, 2, 3]), upTo(2, 3), tensor([10, 20])), [18, 46]],
  ["linear, fanInFanOut", () => core.linear(tensor([1, 2]), upTo(2, 3), null, { fanInFanOut: true }), [6, 9, 12]],
  ["einsum", () => core.einsum("ij,j->i", upTo(2, 3), tensor([1, 2, 3])), [8, 26]],
  [
    "solve",
    () =>
      core.solve(
        tensor([
          [0, 2],
          [4, 0],
        ]),
        tensor([[2], [8]]),
      ),
    [[2], [1]],
  ],
  [
    "solve with transposeA",
    () =>
      core.solve(
        tensor([
          [1, 2],
          [0, 1],
        ]),
        tensor([[1], [4]]),
        { transposeA: true },
      ),
    [[1], [2]],
  ],
  ["mseLoss", () => core.mseLoss(tensor([1, 2]), tensor([3, 5])), 6.5],
  ["mseLoss, sum", () => core.mseLoss(tensor([1, 2]), tensor([3, 5]), { reduction: "sum" }), 13],
  ["l1Loss", () => core.l1Loss(tensor([1, 2]), tensor([3, 5])), 2.5],
  ["l1Loss, none", () => core.l1Loss(tensor([1, 2]), tensor([3, 5]), { reduction: "none" }), [2, 3]],
  [
    "klDiv",
    () =>
      core.klDiv(
        zeros(2, 2),
        tensor([
          [1, e(1)],
          [0, 1],
        ]),
      ),
    Math.fround(e(1) / 4),
  ],
  ["klDiv, batchmean", () => core.klDiv(ones(2, 2), ones(2, 2), { reduction: "batchmean" }), -2],
  ["klDiv, sum", () => core.klDiv(ones(2, 2), ones(2, 2), { reduction: "sum" }), -4],
  ["klDiv, logTarget", () => core.klDiv(ones(2), zeros(2), { logTarget: true, reduction: "none" }), [-1, -1]],
  ["crossEntropy", () => core.crossEntropy(zeros(2, 4), i32([1, 3])), Math.fround(ln(4))],
  [
    "crossEntropy of ignored rows",
    () => core.crossEntropy(zeros(2, 4), i32([-100, 3]), { reduction: "sum" }),
    Math.fround(ln(4)),
  ],
  ["crossEntropy, mean of one", () => core.crossEntropy(zeros(2, 4), i32([-100, 3])), Math.fround(ln(4))],
  ["crossEntropy, ignoreIndex", () => core.crossEntropy(zeros(2, 4), i32([3, 3]), { ignoreIndex: 3 }), nan],
  ["crossEntropy, none", () => core.crossEntropy(zeros(2, 1), i32([0, -100]), { reduction: "none" }), [0, 0]],
  [
    "crossEntropy with smoothing",
    // -(0.8 * log p + 0.2 * (log p + log q) / 2) for p = 3/4 and q = 1/4.
    () => core.crossEntropy(tensor([[ln(3), 0]]), i32([0]), { labelSmoothing: 0.2 }),
    Math.fround(-(0.8 * ln(3 / 4) + 0.1 * (ln(3 / 4) + ln(1 / 4)))),
  ],
  [
    "linearCrossEntropy",
    () => core.linearCrossEntropy(zeros(2, 3), ones(4, 3), i32([-100, 0]), { labelSmoothing: 0.5 }),
    Math.fround(ln(4)),
  ],
  ["conv1d", () => core.conv1d(upTo(1, 4), tensor([[[1, 2]]])), [[2, 5, 8]]],
  ["conv1d with padding", () => core.conv1d(upTo(1, 1, 3), tensor([[[1, 2]]]), null, { padding: 1 }), [[[0, 2, 5, 2]]]],
  ["conv1d with stride", () => core.conv1d(upTo(1, 4), tensor([[[1, 2]]]), tensor([10]), { stride: 2 }), [[12, 18]]],
  ["conv1d with dilation", () => core.conv1d(upTo(1, 4), tensor([[[1, 2]]]), null, { dilation: 2 }), [[4, 7]]],
  [
    "conv1d in groups",
    () => core.conv1d(upTo(2, 2), tensor([[[1]], [[3]]]), null, { groups: 2 }),
    [
      [0, 1],
      [6, 9],
    ],
  ],
  [
    "conv2d of one element",
    () => core.conv2d(upTo(1, 2, 2), tensor([[[[3]]]])),
    [
      [
        [0, 3],
        [6, 9],
      ],
    ],
  ],
  [
    "conv2d of one element, apart",
    () => core.conv2d(upTo(1, 1, 3), tensor([[[[3]]]]), null, { stride: [1, 2] }),
    [[[0, 6]]],
  ],
  [
    "conv2d of one element, padded",
    () => core.conv2d(ones(1, 1, 1), tensor([[[[3]]]]), null, { padding: [0, 1] }),
    [[[0, 3, 0]]],
  ],
  ["maxPool1d", () => core.maxPool1d(tensor([[1, 3, 2, 5]]), 2), [[3, 5]]],
  ["maxPool1d with stride", () => core.maxPool1d(tensor([[1, 3, 2, 5]]), 2, { stride: 1 }), [[3, 3, 5]]],
  ["maxPool1d, ceilMode", () => core.maxPool1d(tensor([[1, 3, 2]]), 2, { ceilMode: true }), [[3, 2]]],
  ["maxPool2d of negatives, padded", () => core.maxPool2d(tensor([[[-1]]]), 2, { padding: 1 }), [[[-1]]]],
  ["avgPool1d", () => core.avgPool1d(tensor([[1, 3, 2, 6]]), 2), [[2, 4]]],
  ["avgPool1d with padding", () => core.avgPool1d(tensor([[1, 3]]), 2, { padding: 1 }), [[0.5, 1.5]]],
  [
    "avgPool1d without padding's share",
    () => core.avgPool1d(tensor([[1, 3]]), 2, { padding: 1, countIncludePad: false }),
    [[1, 3]],
  ],
  ["avgPool1d, ceilMode", () => core.avgPool1d(tensor([[1, 3, 2]]), 2, { ceilMode: true }), [[2, 2]]],
  [
    "a last window behind the padding",
    () => core.avgPool1d(ones(1, 3), 2, { stride: 3, padding: 1, ceilMode: true }),
    [[0.5, 0.5]],
  ],
  ["avgPool2d", () => core.avgPool2d(upTo(1, 2, 2), 2), [[[1.5]]]],
  [
    "unfold",
    () => core.unfold(upTo(1, 2, 2), [1, 2]),
    [
      [0, 2],
      [1, 3],
    ],
  ],
  ["fold", () => core.fold(ones(2, 2), [1, 3], [1, 2]), [[[1, 2, 1]]]],
  ["softmax", () => core.softmax(core.log(tensor([[1, 3]])), -1), [[0.25, 0.75]]],
  [
    "rope by a quarter turn",
    () => core.rope(upTo(1, 2, 1, 4), zeros(3, 1), ones(3, 1), { offset: 1 }),
    [[[[-1, 0, 2, 3]], [[-5, 4, 6, 7]]]],
  ],
  ["rope back", () => core.rope(upTo(1, 2, 1, 2), zeros(2, 1), ones(2, 1), { inverse: true }), [[[[1, 0]], [[3, -2]]]]],
  [
    "the cosines of rope",
    () => core.ropeTables([0, Math.PI], 2, 3).cos,
    [
      [3, 3],
      [3, -3],
    ],
  ],
  ["the sines of rope", () => core.ropeTables([0], 2).sin, [[0], [0]]],
  [
    "documentMask",
    () => internal.documentMask(i32([0, 0, 2], [1, 3])),
    [
      [
        [
          [true, true, true],
          [true, true, true],
          [false, false, true],
        ],
      ],
    ],
  ],
  ["rowSquares", () => internal.rowSquares(upTo(2, 2)), [1, 13]],
  ["rowSquares, fanInFanOut", () => internal.rowSquares(upTo(2, 2), { fanInFanOut: true }), [4, 10]],
  ["doraNorm", () => internal.doraNorm(tensor([[3, 1]]), tensor([[0, 1]]), tensor([[3]]), { scaling: 1 }), [5]],
];

const unsigned = (value: unknown): unknown => (Array.isArray(value) ? value.map(unsigned) : value === 0 ? 0 : value);

function close(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(expected)) {
    return Array.isArray(actual) && actual.length === expected.length && expected.every((e, i) => close(actual[i], e));
  }
  if (typeof expected !== "number" || !Number.isFinite(expected)) return Object.is(actual, expected);
  return typeof actual === "number" && Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
}

describe.each<[string, () => Backend]>([
  ["reference", reference],
  ["primitives", primitives],
])("results by hand on %s", (_name, make) => {
  const backend = make();
  it.each(table)("%s", async (_call, run, expected) => {
    const found = unsigned(await withBackend(backend, run).toArray());
    if (!close(found, expected)) expect(found).toEqual(expected);
  });
});

it("the gradient of an extremum of NaN is NaN, or the NaN's own", () => {
  const slope = (f: (x: Tensor) => Tensor) => {
    const x = tensor([1, nan, 3, nan], { requiresGrad: true });
    return [...core.gradients(f(x), [x])[0].dataSync()];
  };
  expect(slope((x) => core.amax(x))).toEqual([nan, nan, nan, nan]);
  expect(slope((x) => core.max(x))).toEqual([0, 0.5, 0, 0.5]);
  expect(slope((x) => core.min(x))).toEqual([0, 0.5, 0, 0.5]);
  expect(slope((x) => core.max(x, { dim: 0 }))).toEqual([0, 1, 0, 0]);
});

describe("attention sees the keys that its options leave", () => {
  // Keys are equal, so that the weights of all visible keys are equal; values are powers of 2.
  const [T, S] = [2, 4];
  const run = (options: core.AttentionOptions, queries = T) => [
    ...core
      .attention(zeros(1, queries, 1, 1), zeros(1, S, 1, 1), tensor([1, 2, 4, 8], { shape: [1, S, 1, 1] }), options)
      .dataSync(),
  ];
  const bools = (values: number[], shape: number[]) => tensor(values, { dtype: "bool", shape });
  it.each<[string, core.AttentionOptions, number[], number?]>(
    [
      ["all", {}, [3.75, 3.75]],
      ["causal", { causal: true }, [7 / 3, 3.75]],
      ["more queries than keys", { causal: true }, [0, 1, 1.5, 7 / 3, 3.75], 5],
      ["window 1", { causal: true, window: 1 }, [4, 8]],
      ["window 2", { causal: true, window: 2 }, [3, 6]],
      ["window 9", { causal: true, window: 9 }, [7 / 3, 3.75]],
      ["keyLength 3", { keyLength: 3 }, [7 / 3, 7 / 3]],
      ["keyLength 3, causal", { keyLength: 3, causal: true }, [1.5, 7 / 3]],
      ["keyLength 0", { keyLength: 0 }, [0, 0]],
      ["a mask of keys", { mask: bools([1, 0, 0, 1], [4]) }, [4.5, 4.5]],
      ["a mask of queries and keys", { mask: bools([1, 0, 0, 1, 0, 0, 0, 0], [2, 4]) }, [4.5, 0]],
      ["a mask, causal", { causal: true, mask: bools([1, 0, 0, 1], [1, 1, 1, 4]) }, [1, 4.5]],
    ].map((row) => row as [string, core.AttentionOptions, number[], number?]),
  )("%s", (_name, options, expected, queries) => {
    for (const [i, value] of run(options, queries).entries()) expect(value).toBeCloseTo(expected[i], 5);
  });
});
