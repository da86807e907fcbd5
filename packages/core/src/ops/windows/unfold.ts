import { full } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { cat } from "../shapes/cat.ts";
import { indexAdd, indexSelect } from "../shapes/indexSelect.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { forEachInWindows, type Pair, type WindowParams, type WindowPlan, windowPlan } from "./windowPlan.ts";

/** Parameters of `unfold`. */
export interface UnfoldParams extends WindowParams {
  /** Value of window elements that are outside the plane, in the padding. Default 0. */
  readonly value?: number;
}

/** Parameters of `fold`: the windows, and the height and width of the result. */
export interface FoldParams extends WindowParams {
  readonly outputSize: Pair;
}

/**
 * Returns, for each element of each window, its position in the flattened plane: [elements * windows]. Elements in the
 * padding get the position H * W.
 */
function positionsOf(plan: WindowPlan, x: Tensor): Tensor {
  const positions = new Int32Array(plan.elements * plan.windows);
  const outside = plan.height * plan.width;
  forEachInWindows(plan, (element, window, position) => {
    positions[element * plan.windows + window] = position < 0 ? outside : position;
  });
  return tensor(positions, { shape: [positions.length], backend: x.storage.backend });
}

/**
 * Copies the elements of each sliding window into a column: x [..., H, W] to [..., elements of a window, windows].
 * Multiplying the filters by the columns gives a convolution.
 */
export const unfold: Op<1, UnfoldParams, 1, Planned<WindowParams, WindowPlan>> = defineOp({
  name: "unfold",
  arity: 1,
  plan: ([x], _outputs, params) => windowPlan("unfold", x, params),
  shape: (inputs, params) => {
    expectDType("unfold", inputs, 0, "f32");
    const { lead, elements, windows } = windowPlan("unfold", inputs[0], params);
    return { shape: [...lead, elements, windows], dtype: "f32" };
  },
  ref: ([x], [out], params) => {
    const plan = windowPlan("unfold", x, params);
    const { planes, height, width, elements, windows } = plan;
    for (let plane = 0; plane < planes; plane++) {
      forEachInWindows(plan, (element, window, position) => {
        const to = (plane * elements + element) * windows + window;
        out.data[to] = position < 0 ? (params.value ?? 0) : x.data[plane * height * width + position];
      });
    }
  },
  compose: ([x], params) => {
    const plan = windowPlan("unfold", x, params);
    const { lead, planes, height, width, elements, windows } = plan;
    const flat = reshape(x, { shape: [planes, height * width] });
    const outside = full([planes, 1], params.value ?? 0, { backend: x.storage.backend });
    const found = indexSelect(cat(flat, outside, { dim: 1 }), positionsOf(plan, x), { dim: 1 });
    return reshape(found, { shape: [...lead, elements, windows] });
  },
  // The input is saved only so that the result, which is large, can be recomputed.
  saves: { inputs: [0] },
  cheap: true,
  vjp: ({ grads: [dy], inputSpecs: [{ shape }], params: { value: _, ...params } }) => [
    fold(dy, { ...params, outputSize: [shape[shape.length - 2], shape[shape.length - 1]] }),
  ],
});

/**
 * The gradient of `unfold`: adds each element of x [..., elements of a window, windows] at its position in a plane of
 * zeros [..., H, W].
 */
export const fold: Op<1, FoldParams, 1, Planned<WindowParams, WindowPlan>> = defineOp({
  name: "fold",
  arity: 1,
  plan: (_inputs, [x], params) => windowPlan("fold", x, params),
  shape: (inputs, params) => {
    expectDType("fold", inputs, 0, "f32");
    const { shape } = inputs[0];
    const lead = shape.slice(0, -2);
    const { elements, windows } = windowPlan("fold", { shape: [...lead, ...params.outputSize] }, params);
    if (shape[shape.length - 2] !== elements || shape[shape.length - 1] !== windows) {
      throw new Error(
        `fold: ${formatShape(shape)} are not the windows of an output of ${params.outputSize.join(" x ")}; expected [...,${elements},${windows}]`,
      );
    }
    return { shape: [...lead, ...params.outputSize], dtype: "f32" };
  },
  ref: ([x], [out], params) => {
    const plan = windowPlan("fold", out, params);
    const { planes, height, width, elements, windows } = plan;
    const sums = new Float64Array(out.size);
    for (let plane = 0; plane < planes; plane++) {
      forEachInWindows(plan, (element, window, position) => {
        if (position < 0) return;
        sums[plane * height * width + position] += x.data[(plane * elements + element) * windows + window];
      });
    }
    out.data.set(sums);
  },
  compose: ([x], params) => {
    const lead = x.shape.slice(0, -2);
    const plan = windowPlan("fold", { shape: [...lead, ...params.outputSize] }, params);
    const { planes, height, width, elements, windows } = plan;
    const flat = reshape(x, { shape: [planes, elements * windows] });
    const sums = indexAdd(flat, positionsOf(plan, x), { dim: 1, size: height * width + 1 });
    return reshape(slice(sums, { dim: 1, end: height * width }), { shape: [...lead, height, width] });
  },
  vjp: ({ grads: [dy], params: { outputSize: _, ...params } }) => [unfold(dy, params)],
});
