import { collapse, forEachRow } from "../broadcast.ts";
import { defineOp, expectDType, type Op } from "../op.ts";
import { broadcastShapes, formatShape, sameShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** x repeated to a larger shape by the broadcasting rule. */
export const expand: Op<1, { shape: Shape }> = defineOp({
  name: "expand",
  shape: (inputs, { shape }) => {
    expectDType("expand", inputs, 0, "f32");
    if (!sameShape(broadcastShapes("expand", inputs[0].shape, shape), shape)) {
      throw new Error(`expand: ${formatShape(inputs[0].shape)} does not broadcast to ${formatShape(shape)}`);
    }
    return { shape, dtype: "f32" };
  },
  ref: ([x], [out]) => {
    forEachRow(collapse(out.shape, [x.shape]), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) out.data[o + j] = x.data[i + j * step];
    });
  },
  wasm: (k, [x], [out]) => {
    forEachRow(collapse(out.shape, [x.shape]), (o, [i], n, [step]) => {
      if (step === 0) k.fillFrom(x.ptr + 4 * i, out.ptr + 4 * o, n);
      else k.copy(x.ptr + 4 * i, out.ptr + 4 * o, n);
    });
  },
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [sumTo(dy, x.shape)],
});

const sumToOp: Op<1, { shape: Shape }> = defineOp({
  name: "sumTo",
  shape: (inputs, { shape }) => {
    expectDType("sumTo", inputs, 0, "f32");
    const x = inputs[0].shape;
    if (!sameShape(broadcastShapes("sumTo", x, shape), x)) {
      throw new Error(`sumTo: ${formatShape(shape)} does not broadcast to ${formatShape(x)}`);
    }
    return { shape, dtype: "f32" };
  },
  ref: ([x], [out]) => {
    const sums = new Float64Array(out.size);
    forEachRow(collapse(x.shape, [out.shape]), (i, [o], n, [step]) => {
      for (let j = 0; j < n; j++) sums[o + j * step] += x.data[i + j];
    });
    out.data.set(sums);
  },
  wasm: (k, [x], [out]) => {
    k.fill(out.ptr, out.size, 0);
    forEachRow(collapse(x.shape, [out.shape]), (i, [o], n, [step]) => {
      if (step === 0) k.sumInto(x.ptr + 4 * i, out.ptr + 4 * o, n);
      else k.addInto(x.ptr + 4 * i, out.ptr + 4 * o, n);
    });
  },
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [expand(dy, { shape: x.shape })],
});

/** Sums the dimensions along which `shape` was broadcast to x: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : sumToOp(x, { shape });
}
