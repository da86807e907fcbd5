import { beforeAll, describe, expect, it } from "vitest";
import * as core from "./index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { tensor, zeros, ones } = core;
const matrix = () => tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: rows
/** Calls that TypeScript also rejects. */
// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = core as any;
// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const looseMatrix = () => matrix() as any;

describe("PyTorch's positional forms", () => {
  it.each<[string, () => core.Tensor, unknown]>([
    ["sum(0)", () => matrix().sum(0), [5, 7, 9]],
    ["sum([0, 1])", () => matrix().sum([0, 1]), 21],
    ["mean(-1)", () => matrix().mean(-1), [2, 5]],
    ["amax(0)", () => matrix().amax(0), [4, 5, 6]],
    ["amin(1)", () => matrix().amin(1), [1, 4]],
    ["prod(1)", () => matrix().prod(1), [6, 120]],
    ["argmax(1)", () => matrix().argmax(1), [2, 2]],
    ["variance(0)", () => matrix().variance(0), [4.5, 4.5, 4.5]],
    ["cumsum(1)", () => matrix().cumsum(1), [[1, 3, 6], [4, 9, 15]]], // biome-ignore format: rows
    ["softmax(t, 1)", () => core.softmax(zeros(1, 2), 1), [[0.5, 0.5]]],
    ["logSoftmax(-1)", () => zeros(1, 1).logSoftmax(-1), [[0]]],
    ["topk(1, 0)", () => matrix().topk(1, 0)[0], [[4, 5, 6]]],
    ["zeros(2, 3)", () => zeros(2, 3), [[0, 0, 0], [0, 0, 0]]], // biome-ignore format: rows
    ["zeros(2, options)", () => zeros(2, { dtype: "bool" }), [false, false]],
    ["ones(3)", () => ones(3), [1, 1, 1]],
    ["arange(3)", () => core.arange(3), [0, 1, 2]],
    ["arange(0, 1, 0.5)", () => core.arange(0, 1, 0.5), [0, 0.5]],
    ["reshape(6)", () => matrix().reshape(6), [1, 2, 3, 4, 5, 6]],
    ["reshape(3, -1)", () => matrix().reshape(3, -1), [[1, 2], [3, 4], [5, 6]]], // biome-ignore format: rows
    ["permute(1, 0)", () => matrix().permute(1, 0), [[1, 4], [2, 5], [3, 6]]], // biome-ignore format: rows
    ["expand(2, 2)", () => ones(1, 2).expand(2, 2), [[1, 1], [1, 1]]], // biome-ignore format: rows
    ["flip(0, 1)", () => matrix().flip(0, 1), [[6, 5, 4], [3, 2, 1]]], // biome-ignore format: rows
    ["flatten(0, 1)", () => ones(1, 2, 1).flatten(0, 1), [[1], [1]]],
    ["squeeze(0)", () => ones(1, 1).squeeze(0), [1]],
    ["tril(-1)", () => ones(2, 2).tril(-1), [[0, 0], [1, 0]]], // biome-ignore format: rows
    ["cat(list, 1)", () => core.cat([ones(1, 1), zeros(1, 1)], 1), [[1, 0]]],
    ["stack(list, 1)", () => core.stack([ones(1), zeros(1)], 1), [[1, 0]]],
    ["chunk(2, 0)", () => matrix().chunk(2, 0)[1], [[4, 5, 6]]],
    ["split(2, 1)", () => matrix().split(2, 1)[1], [[3], [6]]],
    ["repeatInterleave(2, 0)", () => ones(1).repeatInterleave(2, 0), [1, 1]],
    ["gather(0, index)", () => matrix().gather(0, tensor([[1, 0, 1]], { dtype: "i32" })), [[4, 2, 6]]],
    ["indexSelect(1, index)", () => matrix().indexSelect(1, tensor([2], { dtype: "i32" })), [[3], [6]]],
    ["add(1)", () => ones(1).add(1), [2]],
    ["add(1, t)", () => core.add(1, ones(1)), [2]],
    ["sub(1, t)", () => core.sub(1, tensor([3])), [-2]],
    ["mul(2, t)", () => core.mul(2, tensor([3])), [6]],
    ["div(1, t)", () => core.div(1, tensor([4])), [0.25]],
    ["pow(2, t)", () => core.pow(2, tensor([3])), [8]],
    ["maximum(2, t)", () => core.maximum(2, tensor([1, 3])), [2, 3]],
    ["lt(2, t)", () => core.lt(2, tensor([1, 3])), [false, true]],
    ["ge(2, t)", () => core.ge(2, tensor([1, 2, 3])), [true, true, false]],
  ])("%s", async (_call, run, expected) => {
    expect(await run().toArray()).toEqual(expected);
  });

  it("numbers on the left have gradients", () => {
    const x = tensor([2, 4], { requiresGrad: true });
    core.sum(core.sub(core.div(8, x), core.sub(1, x))).backward();
    expect(x.grad?.dataSync()).toEqual(Float32Array.of(-1, 0.5));
  });

  it("randn(2, 3) draws from the program's generator, which manualSeed starts anew", () => {
    core.manualSeed(3);
    const first = core.randn(2, 3);
    const own = core.randn([2, 3], { generator: new core.Generator(3) });
    expect(first.shape).toEqual([2, 3]);
    expect(first.dataSync()).toEqual(own.dataSync());
    expect(core.rand(2, 3).dataSync()).not.toEqual(first.dataSync());
    core.manualSeed(3);
    expect(core.randn(2, 3).dataSync()).toEqual(first.dataSync());
    core.manualSeed(0);
  });
});

describe("other positional forms say the right call", () => {
  it.each<[string, () => unknown, string]>([
    [
      "sum(0, true)",
      () => looseMatrix().sum(0, true),
      "sum: true comes after its options; give all options in one object, { dim: 0, keepdim: ... }",
    ],
    [
      "list.map(sum)",
      () => [matrix(), matrix()].map(loose.sum),
      "give all options in one object, { dim: 0, keepdim: ... }",
    ],
    ["max(0)", () => looseMatrix().max(0), "write amax(0) for the values, argmax(0) for the positions"],
    ["transpose()", () => looseMatrix().transpose(), "as in transpose(-2, -1); a matrix has T too"],
    ["cat(a, b)", () => loose.cat(ones(1), ones(1)), "write cat([a, b]) with brackets"],
    ["stack(a, b)", () => loose.stack(ones(1), ones(1)), "write stack([a, b]) with brackets"],
    ["add(1, 2)", () => loose.add(1, 2), "add: 1 and 2 are both numbers; one operand must be a tensor, as tensor(1)"],
    ["add with alpha", () => looseMatrix().add(1, { alpha: 2 }), "add: it has no options, and { alpha } was given"],
    ["zeros()", () => loose.zeros(), "it takes a shape, as in zeros([2, 3])"],
    ["zeros([2], 3)", () => loose.zeros([2], 3), "options are an object"],
    ["reshape([2], 3)", () => looseMatrix().reshape([2], 3), "as in reshape([2, -1]) or reshape(2, -1)"],
    ["full(2, 3, 1)", () => loose.full(2, 3, 1), "as in full([2, 3], 0.5)"],
    [
      "tensor([1], [1])",
      () => loose.tensor([1], [1]),
      "options are an object, { dtype, requiresGrad, backend, shape }",
    ],
    ["clamp(0, 1)", () => looseMatrix().clamp(0, 1), "clamp: options are an object, { min, max }, and 0 was given"],
    [
      "clamp()",
      () => looseMatrix().clamp(),
      "clamp: it takes { min, max } after its tensors, but no options were given",
    ],
    ["slice(0, 2)", () => looseMatrix().slice(0, 2), "0 is no range; write [start, end]"],
    ["at()", () => matrix().at(), "at: [2,3] takes 1 to 2 positions, and 0 were given"],
    ["at(2)", () => matrix().at(2), "position 2 is not in dim 0 of [2,3]; use -2..1"],
    ["T of a vector", () => ones(2).T, "T: [2] is no matrix; write transpose(-2, -1)"],
  ])("%s", (_call, run, message) => {
    expect(run).toThrow(message);
  });
});

describe("parts of a tensor", () => {
  it.each<[string, () => core.Tensor, unknown]>([
    ["slice([0, 1], [1])", () => matrix().slice([0, 1], [1]), [[2, 3]]],
    ["slice(null, [0, null, 2])", () => matrix().slice(null, [0, null, 2]), [[1, 3], [4, 6]]], // biome-ignore format: rows
    ["slice([-1])", () => matrix().slice([-1]), [[4, 5, 6]]],
    ["slice({ dim, end })", () => matrix().slice({ dim: 1, end: 1 }), [[1], [4]]],
    ["select(1, -1)", () => matrix().select(1, -1), [3, 6]],
    ["at(1)", () => matrix().at(1), [4, 5, 6]],
    ["at(1, -1)", () => matrix().at(1, -1), 6],
    ["T", () => matrix().T, [[1, 4], [2, 5], [3, 6]]], // biome-ignore format: rows
  ])("%s", async (_call, run, expected) => {
    expect(await run().toArray()).toEqual(expected);
  });

  it("clone has memory of its own, and passes gradients on", async () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const copy = x.clone();
    expect(copy.storage).not.toBe(x.storage);
    copy.sum().backward();
    expect(await x.grad?.toArray()).toEqual([1, 1]);
    expect(await x.at(1).item()).toBe(2);
  });
});
