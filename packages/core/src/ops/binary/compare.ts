import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { collapse, forEachRow } from "../../layout/broadcast.ts";
import { broadcastShapes } from "../../layout/shape.ts";

/** Parameters of `compare`. */
export interface CompareParams {
  readonly relation: "eq" | "ne" | "lt" | "le" | "gt" | "ge";
}

const tests: Record<CompareParams["relation"], (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

/**
 * Compares two f32 or two i32 tensors element by element, broadcast. The result is
 * bool and has no gradient.
 */
export const compare: Op<2, CompareParams> = defineOp({
  name: "compare",
  arity: 2,
  options: { relation: true },
  shape: (inputs) => {
    expectDType("compare", inputs, 0, "f32", "i32");
    expectDType("compare", inputs, 1, inputs[0].dtype);
    return { shape: broadcastShapes("compare", inputs[0].shape, inputs[1].shape), dtype: "bool" };
  },
  ref: ([a, b], [out], { relation }) => {
    const test = tests[relation];
    forEachRow(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], n, [si, sj]) => {
      for (let x = 0; x < n; x++) out.data[o + x] = test(a.data[i + x * si], b.data[j + x * sj]) ? 1 : 0;
    });
  },
});
