import type { TensorSpec } from "@lowrank/core/backend";
import { expect, it } from "vitest";
import { byElement, byOuter, byRow } from "./split.ts";

const specs = (...shapes: number[][]): TensorSpec[] => shapes.map((shape) => ({ shape, dtype: "f32" }));

it.each([
  [[[]], [[]], 1, [false], [false]],
  [[[2]], [[2]], 2, [true], [true]],
  [[[6]], [[2, 3]], 6, [true], [true]],
  [[[2, 3], [3]], [[2, 3]], 6, [true, false], [true]],
])("byElement of %j to %j", (inputs, outputs, rows, cutInputs, cutOutputs) => {
  const split = byElement(specs(...inputs), specs(...outputs));
  expect(split).toEqual({ rows, inputs: cutInputs, outputs: cutOutputs });
});

it.each([
  [[[1, 3]], [[1, 3]], 1, [false], [false]],
  [[[2, 3], [2]], [[2, 3], [2]], 2, [true, false], [true, false]],
  [[[2, 2, 3], [3], [4, 3]], [[2, 2]], 4, [true, false, true], [true]],
])("byRow of %j to %j", (inputs, outputs, rows, cutInputs, cutOutputs) => {
  const split = byRow(specs(...inputs), specs(...outputs));
  expect(split).toEqual({ rows, inputs: cutInputs, outputs: cutOutputs });
});

it("byOuter cuts between the indices before the dimension, which is the first by default", () => {
  const [inputs, outputs] = [specs([2, 5, 3]), specs([2, 1, 3])];
  expect(byOuter(inputs, outputs, { dim: 1 })).toEqual({ rows: 2, inputs: [true], outputs: [true] });
  expect(byOuter(inputs, outputs, { dim: 0 })).toEqual({ rows: 1, inputs: [false], outputs: [false] });
  expect(byOuter(inputs, outputs, {})).toEqual({ rows: 1, inputs: [false], outputs: [false] });
});
