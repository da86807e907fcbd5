import { init, reference, tensor } from "@lowrank/core";
import { Module } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { compareOutputs, outputValues } from "./compareOutputs.ts";

beforeAll(() => init(reference()));

test.each([
  { before: [1, 3, 2, 5, 6, 1], after: [1, 3, 2, 5, 6, 1], max: 0, mean: 0, equal: true },
  { before: [1, 3, 2, 5, 6, 1], after: [1, 2.5, 2, 5, 7, 1], max: 1, mean: 0.25, equal: true },
  { before: [1, 3, 2, 5, 6, 1], after: [1, 3, 2, 6.5, 6, 1], max: 1.5, mean: 0.25, equal: false },
  { before: [1, 3, 2, 5, 6, 1], after: [3.5, 3, 2, 5, 6, 1], max: 2.5, mean: 2.5 / 6, equal: false },
  // The first of equal values counts.
  { before: [4, 4, 0, 0, 1, 0], after: [4, 2, 1, 0, 1, 0], max: 2, mean: 0.5, equal: true },
  { before: [4, 2, 1, 0, 1, 0], after: [4, 4, 0, 0, 1, 0], max: 2, mean: 0.5, equal: true },
])("$after differs from $before by at most $max", ({ before, after, max, mean, equal }) => {
  const outputs = (values: number[]) => ({ values: Float32Array.from(values), width: 3 });
  expect(compareOutputs(outputs(before), outputs(after))).toEqual({
    maxAbsDiff: max,
    meanAbsDiff: mean,
    greedyEqual: equal,
  });
});

class Answer extends Module {
  readonly #make: () => unknown;

  constructor(make: () => unknown) {
    super();
    this.#make = make;
  }

  forward(): never {
    return this.#make() as never;
  }
}

const values = [1, 2, 3, 4, 5, 6];

test.each([
  { name: "a tensor", make: () => tensor(values, { shape: [2, 3] }), width: 3 },
  { name: "an object with logits", make: () => ({ logits: tensor(values, { shape: [1, 3, 2] }) }), width: 2 },
])("the outputs of $name have the width of its last dimension", async ({ make, width }) => {
  expect(await outputValues(new Answer(make), {})).toEqual({ values: Float32Array.from(values), width });
});

test.each([{ make: () => ({ loss: 1 }) }, { make: () => 5 }])("other outputs are refused", async ({ make }) => {
  await expect(outputValues(new Answer(make), {})).rejects.toThrow(
    "verify needs a model whose forward gives a tensor or an object with logits",
  );
});

test("inputs must be given", async () => {
  const model = new Answer(() => tensor(values));
  await expect(outputValues(model, undefined)).rejects.toThrow("verify: it has no inputs; give what forward takes");
  expect(await outputValues(model, null)).toEqual({ values: Float32Array.from(values), width: 6 });
});
