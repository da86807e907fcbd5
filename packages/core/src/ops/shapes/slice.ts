import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { slicePlan } from "./shapePlans.ts";

/** Options of `slice`, as in Python: negative positions count from the end. */
export interface SliceParams {
  /** The dimension to slice. Default 0. */
  readonly dim?: number;
  /** First position taken. Default 0. */
  readonly start?: number;
  /** First position that is not taken. Default: the dimension's end. */
  readonly end?: number;
  /** Distance between the positions taken, at least 1. Default 1. */
  readonly step?: number;
}

/**
 * Parameters of `place`. It enlarges dimension `dim` to `size`, and puts element i of the input at position
 * start + i * step.
 */
export interface PlaceParams {
  readonly dim: number;
  /** The size of dimension `dim` in the result. */
  readonly size: number;
  readonly start: number;
  /** Distance in the result between neighbouring elements of the input. Default 1. */
  readonly step?: number;
  /** The value at positions that receive no element. Default 0. */
  readonly value?: number;
}

/** Returns a copy of every `step`-th element of one dimension from `start` to before `end`. Supports every dtype. */
export const slice: Op<1, SliceParams> = defineOp({
  name: "slice",
  arity: 1,
  options: { dim: true, start: true, end: true, step: true },
  shape: ([x], params) => {
    const { dim, count } = slicePlan(x, params);
    return { shape: withSize(x.shape, dim, count), dtype: x.dtype };
  },
  ref: ([x], [out], params) => {
    const { outer, n, inner, start, step, count } = slicePlan(x, params);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < count; j++) {
        const from = (i * n + start + j * step) * inner;
        for (let l = 0; l < inner; l++) out.data[(i * count + j) * inner + l] = x.data[from + l];
      }
    }
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params }) => {
    const { dim, n: size, start, step } = slicePlan(x, params);
    return [place(dy, { dim, size, start, step })];
  },
});

/**
 * The gradient of `slice`: enlarges a dimension of x to `size`, with x's elements at every `step`-th position from
 * `start` and `value` elsewhere.
 */
export const place: Op<1, PlaceParams> = defineOp({
  name: "place",
  arity: 1,
  options: { dim: true, size: true, start: true, step: true, value: true },
  shape: ([x], { dim, size, start, step = 1 }) => {
    expectDType("place", [x], 0, "f32", "i32");
    const { dim: d, n } = alongDim("place", x.shape, dim);
    if (start < 0 || step < 1 || (n > 0 && start + (n - 1) * step >= size)) {
      throw new Error(
        `place: ${n} elements from ${start} in steps of ${step} do not fit into size ${size} of dim ${dim}`,
      );
    }
    return { shape: withSize(x.shape, d, size), dtype: x.dtype };
  },
  ref: ([x], [out], { dim, size, start, step = 1, value = 0 }) => {
    const { outer, n, inner } = alongDim("place", x.shape, dim);
    out.data.fill(value);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < n; j++) {
        const to = (i * size + start + j * step) * inner;
        for (let l = 0; l < inner; l++) out.data[to + l] = x.data[(i * n + j) * inner + l];
      }
    }
  },
  vjp: ({ grads: [dy], inputSpecs: [x], params: { dim, start, step = 1 } }) => {
    const { n } = alongDim("place", x.shape, dim);
    const end = n === 0 ? start : start + (n - 1) * step + 1;
    return [slice(dy, { dim, start, end, step })];
  },
});
