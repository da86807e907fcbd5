import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { collapse, forEachRow } from "../../layout/broadcast.ts";
import { broadcastShapes } from "../../layout/shape.ts";
import { sumTo } from "../shapes/expand.ts";

/** Returns `a` at elements where the bool or u8 `condition` is not 0, and `b` elsewhere. All three broadcast. */
export const where: Op<3> = defineOp({
  name: "where",
  arity: 3,
  shape: (inputs) => {
    expectDType("where", inputs, 0, "bool", "u8");
    expectDType("where", inputs, 1, "f32", "i32");
    expectDType("where", inputs, 2, inputs[1].dtype);
    const values = broadcastShapes("where", inputs[1].shape, inputs[2].shape);
    return { shape: broadcastShapes("where", inputs[0].shape, values), dtype: inputs[1].dtype };
  },
  ref: ([condition, a, b], [out]) => {
    const traversal = collapse(out.shape, [condition.shape, a.shape, b.shape]);
    forEachRow(traversal, (o, [c, i, j], n, [sc, si, sj]) => {
      for (let x = 0; x < n; x++) {
        out.data[o + x] = condition.data[c + x * sc] ? a.data[i + x * si] : b.data[j + x * sj];
      }
    });
  },
  saves: { inputs: [0] },
  vjp: ({ grads: [dy], inputs: [condition], inputSpecs: [, a, b], needs }) => [
    null,
    needs[1] ? sumTo(where(condition, dy, scalarLike(dy, 0)), a.shape) : null,
    needs[2] ? sumTo(where(condition, scalarLike(dy, 0), dy), b.shape) : null,
  ],
});
