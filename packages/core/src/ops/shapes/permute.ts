import { defineOp, type Op } from "../../engine/op.ts";
import { forEachRow } from "../../layout/broadcast.ts";
import type { Shape } from "../../layout/shape.ts";
import { permutedDims, traversePermuted } from "./shapePlans.ts";

/** Returns a copy of x with its dimensions in the order `dims`. Supports every dtype. */
export const permute: Op<1, { dims: Shape }> = defineOp({
  name: "permute",
  arity: 1,
  shape: ([x], { dims }) => ({ shape: permutedDims(x, dims).map((d) => x.shape[d]), dtype: x.dtype }),
  ref: ([x], [out], { dims }) => {
    forEachRow(traversePermuted(x, permutedDims(x, dims)), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) out.data[o + j] = x.data[i + j * step];
    });
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params: { dims } }) => {
    const inverse = new Array<number>(dims.length);
    for (const [to, from] of permutedDims(x, dims).entries()) inverse[from] = to;
    return [permute(dy, { dims: inverse })];
  },
});
