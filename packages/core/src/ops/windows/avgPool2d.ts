import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { mul } from "../binary/mul.ts";
import { expand, sumTo } from "../shapes/expand.ts";
import { reshape } from "../shapes/reshape.ts";
import { fold, unfold } from "./unfold.ts";
import {
  checkPadding,
  forEachInWindows,
  type Pair,
  type WindowParams,
  type WindowPlan,
  windowPlan,
} from "./windowPlan.ts";

/** Parameters of `avgPool2d`. */
export interface AvgPoolParams extends WindowParams {
  /** True to count elements in the padding too, when the sum of a window is divided by the number of its elements. */
  readonly countIncludePad: boolean;
}

/** Returns the number of elements by which the sum of the window with the index `window` is divided. */
function divisorOf(plan: WindowPlan, window: number, countIncludePad: boolean): number {
  const { height, width, kernel, stride, padding, columns } = plan;
  const along = (at: number, size: number, axis: 0 | 1) => {
    const start = at * stride[axis] - padding[axis];
    const border = countIncludePad ? padding[axis] : 0;
    return Math.min(start + kernel[axis], size + border) - Math.max(start, -border);
  };
  return along(Math.floor(window / columns), height, 0) * along(window % columns, width, 1);
}

/** Returns 1 / divisor for each window, [rows, columns]. */
function weightsOf(plan: WindowPlan, countIncludePad: boolean, x: Tensor): Tensor {
  const weights = Float32Array.from({ length: plan.windows }, (_, i) => 1 / divisorOf(plan, i, countIncludePad));
  return tensor(weights, { shape: [plan.rows, plan.columns], backend: x.storage.backend });
}

/** Returns the mean of each window of x [..., H, W]. */
export const avgPool2d: Op<1, AvgPoolParams, 1, Planned<WindowParams, WindowPlan>> = defineOp({
  name: "avgPool2d",
  arity: 1,
  plan: ([x], _outputs, params) => windowPlan("avgPool2d", x, params),
  shape: (inputs, params) => {
    expectDType("avgPool2d", inputs, 0, "f32");
    const { lead, rows, columns } = windowPlan("avgPool2d", inputs[0], params);
    checkPadding("avgPool2d", params);
    return { shape: [...lead, rows, columns], dtype: "f32" };
  },
  ref: ([x], [out], params) => {
    const plan = windowPlan("avgPool2d", x, params);
    const { planes, height, width, windows } = plan;
    const sums = new Float64Array(out.size);
    for (let plane = 0; plane < planes; plane++) {
      forEachInWindows(plan, (_, window, position) => {
        if (position >= 0) sums[plane * windows + window] += x.data[plane * height * width + position];
      });
    }
    for (let i = 0; i < out.size; i++) out.data[i] = sums[i] / divisorOf(plan, i % windows, params.countIncludePad);
  },
  compose: ([x], { countIncludePad, ...params }) => {
    const plan = windowPlan("avgPool2d", x, params);
    const { lead, rows, columns, windows } = plan;
    const sums = sumTo(unfold(x, params), [...lead, 1, windows]);
    return mul(reshape(sums, { shape: [...lead, rows, columns] }), weightsOf(plan, countIncludePad, x));
  },
  vjp: ({ grads: [dy], inputSpecs: [{ shape }], params }) => [
    avgPool2dBackward(dy, { ...params, outputSize: [shape[shape.length - 2], shape[shape.length - 1]] }),
  ],
});

/** The gradient of `avgPool2d` with respect to x [..., H, W]. `outputSize` is [H, W]. */
export const avgPool2dBackward: Op<
  1,
  AvgPoolParams & { readonly outputSize: Pair },
  1,
  Planned<WindowParams, WindowPlan>
> = defineOp({
  name: "avgPool2dBackward",
  arity: 1,
  plan: (_inputs, [x], params) => windowPlan("avgPool2dBackward", x, params),
  shape: (inputs, params) => {
    expectDType("avgPool2dBackward", inputs, 0, "f32");
    const { shape } = inputs[0];
    const out = [...shape.slice(0, -2), ...params.outputSize];
    const { lead, rows, columns } = windowPlan("avgPool2dBackward", { shape: out }, params);
    if (!sameShape(shape, [...lead, rows, columns])) {
      throw new Error(
        `avgPool2dBackward: the gradient ${formatShape(shape)} must be ${formatShape([...lead, rows, columns])}`,
      );
    }
    return { shape: out, dtype: "f32" };
  },
  ref: ([dy], [dx], params) => {
    const plan = windowPlan("avgPool2dBackward", dx, params);
    const { planes, height, width, windows } = plan;
    const sums = new Float64Array(dx.size);
    for (let plane = 0; plane < planes; plane++) {
      forEachInWindows(plan, (_, window, position) => {
        if (position < 0) return;
        const share = dy.data[plane * windows + window] / divisorOf(plan, window, params.countIncludePad);
        sums[plane * height * width + position] += share;
      });
    }
    dx.data.set(sums);
  },
  compose: ([dy], { countIncludePad, ...params }) => {
    const plan = windowPlan("avgPool2dBackward", { shape: [...dy.shape.slice(0, -2), ...params.outputSize] }, params);
    const { lead, elements, windows } = plan;
    const shares = reshape(mul(dy, weightsOf(plan, countIncludePad, dy)), { shape: [...lead, 1, windows] });
    return fold(expand(shares, { shape: [...lead, elements, windows] }), params);
  },
  vjp: ({ grads: [ddx], params: { outputSize: _, ...params } }) => [avgPool2d(ddx, params)],
});
