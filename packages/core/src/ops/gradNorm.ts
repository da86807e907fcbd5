import { defineOp, expectDType, type Op } from "../op.ts";
import { formatShape } from "../shape.ts";

/** The root of the sum of squares over all numbers of all the tensors, a scalar. It is not differentiated. */
export const gradNorm: Op<number> = defineOp({
  name: "gradNorm",
  shape: (inputs) => {
    for (let i = 0; i < inputs.length; i++) expectDType("gradNorm", inputs, i, "f32");
    return { shape: [], dtype: "f32" };
  },
  ref: (inputs, [out]) => {
    let sum = 0;
    for (const { data, size } of inputs) for (let i = 0; i < size; i++) sum += data[i] * data[i];
    out.data[0] = Math.sqrt(sum);
  },
  wasm: (k, inputs, [out], _params, scratch) => {
    const total = scratch(8);
    k.fill(total, 2, 0);
    for (const { ptr, size } of inputs) k.addSquares(ptr, total, size);
    k.rootOf(total, out.ptr);
  },
});

/** x *= min(1, maxNorm / (norm + 1e-6)) in place, as PyTorch clips; a norm of NaN makes x NaN. */
export const clipToNorm: Op<2, { maxNorm: number }, 0> = defineOp({
  name: "clipToNorm",
  inPlace: true,
  shape: (inputs) => {
    expectDType("clipToNorm", inputs, 0, "f32");
    expectDType("clipToNorm", inputs, 1, "f32");
    if (inputs[1].shape.length > 0) {
      throw new Error(`clipToNorm: the norm ${formatShape(inputs[1].shape)} must be a scalar`);
    }
    return [];
  },
  ref: ([x, norm], _outputs, { maxNorm }) => {
    const factor = Math.min(1, maxNorm / (norm.data[0] + 1e-6));
    for (let i = 0; i < x.size; i++) x.data[i] *= factor;
  },
  wasm: (k, [x, norm], _outputs, { maxNorm }) => k.clipToNorm(x.ptr, norm.ptr, x.size, maxNorm),
});
