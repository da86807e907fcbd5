import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { maximum } from "../binary/maximum.ts";
import { minimum } from "../binary/minimum.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { amax } from "../reductions/amax.ts";
import { sumTo } from "../shapes/expand.ts";
import { groupsOf } from "../shared/groupsOf.ts";
import { overwrite } from "../shared/inPlace.ts";
import { abs } from "../unary/abs.ts";
import { affine } from "../unary/affine.ts";
import { reciprocal } from "../unary/reciprocal.ts";
import { sqrt } from "../unary/sqrt.ts";
import { square } from "../unary/square.ts";

/** Returns the L2 norm of all elements of all tensors together, as a scalar. It has no gradient. */
export const gradNorm: Op<number> = defineOp({
  name: "gradNorm",
  arity: [1, Infinity],
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
  // Elements are divided by the largest magnitude first, because squares of f32 overflow from 1.8e19 on.
  compose: (inputs) => {
    const some = inputs.filter(({ size }) => size > 0);
    if (some.length === 0) return scalarLike(inputs[0], 0);
    const largest = some.map((x) => amax(abs(x), { shape: [] })).reduce((a, b) => maximum(a, b));
    const [zero, one] = [scalarLike(largest, 0), scalarLike(largest, 1)];
    const finite = compare(affine(largest, { scale: 0 }), zero, { relation: "eq" });
    const usable = where(compare(largest, zero, { relation: "gt" }), where(finite, largest, one), one);
    const sum = some.map((x) => sumTo(square(div(x, usable)), [])).reduce((a, b) => add(a, b));
    return mul(usable, sqrt(sum));
  },
});

/**
 * Scales tensors in place by min(1, maxNorm / (norm + 1e-6)), as PyTorch clips gradients. The inputs are the tensors,
 * then the scalar `norm`. If `norm` is NaN, all elements become NaN.
 */
export const clipToNorm: Op<number, { maxNorm: number }, 0> = defineOp({
  name: "clipToNorm",
  arity: [1, Infinity],
  options: { maxNorm: true },
  writes: (input, count) => input < count - 1,
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
  compose: (inputs, { maxNorm }) => {
    const norm = inputs[inputs.length - 1];
    const ratio = affine(reciprocal(affine(norm, { shift: 1e-6 })), { scale: maxNorm });
    const factor = minimum(scalarLike(norm, 1), ratio);
    return overwrite(...inputs.slice(0, -1).map((x): [Tensor, Tensor] => [x, mul(x, factor)]));
  },
});
