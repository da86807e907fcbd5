import { defineOp, expectDType, type Op } from "../op.ts";
import { scope } from "../scope.ts";
import { formatShape } from "../shape.ts";
import { groupsOf } from "./groupsOf.ts";

/** The root of the sum of squares over all numbers of all the tensors, a scalar. It is not differentiated. */
export const gradNorm: Op<number> = defineOp({
  name: "gradNorm",
  shape: (inputs) => {
    for (let i = 0; i < inputs.length; i++) expectDType("gradNorm", inputs, i, "f32");
    return { shape: [], dtype: "f32" };
  },
  inGroups: (inputs, _params, most) =>
    scope(() => gradNorm(...groupsOf(inputs, 1, most).map((group) => gradNorm(...group)))),
  ref: (inputs, [out]) => {
    let sum = 0;
    for (const { data, size } of inputs) for (let i = 0; i < size; i++) sum += data[i] * data[i];
    out.data[0] = Math.sqrt(sum);
  },
});

/** Each x *= min(1, maxNorm / (norm + 1e-6)) in place, as PyTorch clips: (...x, norm). A norm of NaN makes all of them NaN. */
export const clipToNorm: Op<number, { maxNorm: number }, 0> = defineOp({
  name: "clipToNorm",
  inPlace: true,
  shape: (inputs) => {
    for (let i = 0; i < inputs.length; i++) expectDType("clipToNorm", inputs, i, "f32");
    const norm = inputs[inputs.length - 1];
    if (norm.shape.length > 0) {
      throw new Error(`clipToNorm: the norm ${formatShape(norm.shape)} must be a scalar`);
    }
    return [];
  },
  inGroups: (inputs, params, most) => {
    const norm = inputs[inputs.length - 1];
    for (const group of groupsOf(inputs.slice(0, -1), 1, most - 1)) clipToNorm(...group, norm, params);
    return [];
  },
  ref: (inputs, _outputs, { maxNorm }) => {
    const norm = inputs[inputs.length - 1];
    const factor = Math.min(1, maxNorm / (norm.data[0] + 1e-6));
    for (const x of inputs.slice(0, -1)) for (let i = 0; i < x.size; i++) x.data[i] *= factor;
  },
});
