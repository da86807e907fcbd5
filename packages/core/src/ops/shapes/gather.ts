import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { forEachRow } from "../../layout/broadcast.ts";
import { formatShape, normalizeDim, type Shape, sameShape, stridesOf } from "../../layout/shape.ts";
import { checkIndex, indexError, traverseIndex } from "../shared/indexBounds.ts";

function checkIndexShape(op: string, table: Shape, index: TensorSpec, dim: number): void {
  if (index.shape.length !== table.length || index.shape.some((s, i) => i !== dim && s > table[i])) {
    throw new Error(
      `${op}: index ${formatShape(index.shape)} must have as many dimensions as ${formatShape(table)} and, except in dim ${dim}, no larger sizes`,
    );
  }
}

/**
 * Looks up elements along `dim`, as PyTorch's gather does: for a matrix and dim 0, out[i][j] = x[index[i][j]][j].
 * `index` is i32 and has the shape of the result.
 */
export const gather: Op<2, { dim: number }> = defineOp({
  name: "gather",
  arity: 2,
  options: { dim: true },
  shape: (inputs, { dim }) => {
    expectDType("gather", inputs, 0, "f32", "i32");
    expectDType("gather", inputs, 1, "i32");
    const [x, index] = inputs;
    checkIndexShape("gather", x.shape, index, normalizeDim("gather", dim, x.shape.length));
    return { shape: index.shape, dtype: x.dtype };
  },
  ref: ([x, index], [out], { dim }) => {
    const d = normalizeDim("gather", dim, x.shape.length);
    const stride = stridesOf(x.shape)[d];
    forEachRow(traverseIndex(index.shape, x.shape, d), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) {
        out.data[o + j] = x.data[i + j * step + checkIndex("gather", index.data[o + j], x.shape[d]) * stride];
      }
    });
  },
  fault: (_at, index, [x], { dim }) => indexError("gather", x.shape.at(dim) as number, index),
  saves: { inputs: [1] },
  vjp: ({ grads: [dy], inputs: [, index], inputSpecs: [x], params: { dim } }) => [
    scatterAdd(dy, index, { dim, shape: x.shape }),
    null,
  ],
});

/** The gradient of `gather`: starts from zeros of `shape` and adds each element of x at its index along `dim`. */
export const scatterAdd: Op<2, { dim: number; shape: Shape }> = defineOp({
  name: "scatterAdd",
  arity: 2,
  shape: (inputs, { dim, shape }) => {
    expectDType("scatterAdd", inputs, 0, "f32");
    expectDType("scatterAdd", inputs, 1, "i32");
    const [x, index] = inputs;
    if (!sameShape(x.shape, index.shape)) {
      throw new Error(`scatterAdd: values ${formatShape(x.shape)} and index ${formatShape(index.shape)} must agree`);
    }
    checkIndexShape("scatterAdd", shape, index, normalizeDim("scatterAdd", dim, shape.length));
    return { shape, dtype: "f32" };
  },
  ref: ([x, index], [out], { dim, shape }) => {
    const d = normalizeDim("scatterAdd", dim, shape.length);
    const stride = stridesOf(shape)[d];
    const sums = new Float64Array(out.size);
    forEachRow(traverseIndex(index.shape, shape, d), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) {
        sums[i + j * step + checkIndex("scatterAdd", index.data[o + j], shape[d]) * stride] += x.data[o + j];
      }
    });
    out.data.set(sums);
  },
  fault: (_at, index, _inputs, { dim, shape }) => indexError("scatterAdd", shape.at(dim) as number, index),
  saves: { inputs: [1] },
  vjp: ({ grads: [dy], inputs: [, index], params: { dim } }) => [gather(dy, index, { dim }), null],
});
