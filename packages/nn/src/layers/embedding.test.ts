import { Generator, init, matmul, mul, noGrad, randn, reference, scope, sum, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { Parameter } from "../module/parameter.ts";
import { Embedding } from "./embedding.ts";

beforeAll(() => init(reference()));

const ids = () =>
  tensor(
    [
      [1, 3, 1],
      [0, 3, 3],
    ],
    { dtype: "i32" },
  );

/** Returns the gradient of a weighted sum of looked-up rows, plus `more`. */
function gradient(paddingIdx: number | null, more?: (weight: Parameter) => Tensor): number[][] {
  const generator = new Generator(1);
  const layer = new Embedding(new Parameter(randn([4, 2], { generator })), { paddingIdx });
  const weights = randn([2, 3, 2], { generator });
  const loss = scope(() => {
    const found = sum(mul(layer.forward(ids()), weights));
    return more ? found.add(more(layer.weight)) : found;
  });
  loss.backward();
  const flat = layer.weight.grad!.dataSync() as Float32Array;
  return Array.from({ length: 4 }, (_, row) => [...flat.subarray(2 * row, 2 * row + 2)]);
}

test("looking padding up does not train its row, and trains the others as ever", () => {
  const all = gradient(null);
  expect(all[3]).not.toEqual([0, 0]);
  expect(gradient(3)).toEqual([all[0], all[1], [0, 0], [0, 0]]);
  expect(gradient(2)).toEqual(all);
});

test("another use of the table trains the row of padding too", () => {
  const score = (weight: Parameter) => sum(matmul(tensor([[2, -1]]), weight, { transposeB: true }));
  expect(gradient(3, score)[3]).toEqual([2, -1]);
});

test("what is looked up is the same with and without padding", () => {
  const weight = new Parameter(randn([4, 2], { generator: new Generator(1) }));
  const plain = new Embedding(weight).forward(ids()).dataSync();
  const padded = new Embedding(weight, { paddingIdx: 3 });
  expect(padded.forward(ids()).dataSync()).toEqual(plain);
  expect(noGrad(() => padded.forward(ids())).dataSync()).toEqual(plain);
});
