import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { max } from "../reductions/max.ts";
import { expand } from "../shapes/expand.ts";
import { gather, scatterAdd } from "../shapes/gather.ts";
import { reshape } from "../shapes/reshape.ts";
import { unfold } from "./unfold.ts";
import { checkPadding, forEachInWindows, type WindowParams, type WindowPlan, windowPlan } from "./windowPlan.ts";

/**
 * Returns, for each element of each window, its position in the flattened plane: [1, elements, windows]. Elements in
 * the padding get the position of the window's first element inside the plane. So the position of the maximum is inside
 * the plane even if all elements of a window are -Infinity.
 */
function insidePositions(plan: WindowPlan, x: Tensor): Tensor {
  const { elements, windows } = plan;
  const positions = new Int32Array(elements * windows).fill(-1);
  const first = new Int32Array(windows).fill(-1);
  forEachInWindows(plan, (element, window, position) => {
    positions[element * windows + window] = position;
    if (first[window] < 0) first[window] = position;
  });
  for (const [i, position] of positions.entries()) if (position < 0) positions[i] = first[i % windows];
  return tensor(positions, { shape: [1, elements, windows], backend: x.storage.backend });
}

/**
 * Returns the largest element of each window of x [..., H, W], and its i32 position in the flattened plane. If a window
 * contains NaN, its first NaN is the result. The gradient flows to the first of equal elements, as in PyTorch.
 */
export const maxPool2d: Op<1, WindowParams, 2, Planned<WindowParams, WindowPlan>> = defineOp({
  name: "maxPool2d",
  arity: 1,
  plan: ([x], _outputs, params) => windowPlan("maxPool2d", x, params),
  shape: (inputs, params) => {
    expectDType("maxPool2d", inputs, 0, "f32");
    const { lead, rows, columns } = windowPlan("maxPool2d", inputs[0], params);
    checkPadding("maxPool2d", params);
    const shape = [...lead, rows, columns];
    return [
      { shape, dtype: "f32" },
      { shape, dtype: "i32" },
    ];
  },
  ref: ([x], [values, positions], params) => {
    const plan = windowPlan("maxPool2d", x, params);
    const { planes, height, width, windows } = plan;
    positions.data.fill(-1);
    for (let plane = 0; plane < planes; plane++) {
      forEachInWindows(plan, (_, window, position) => {
        if (position < 0) return;
        const to = plane * windows + window;
        const value = x.data[plane * height * width + position];
        const best = values.data[to];
        if (positions.data[to] >= 0 && !(value > best) && (Number.isNaN(best) || !Number.isNaN(value))) return;
        values.data[to] = value;
        positions.data[to] = position;
      });
    }
  },
  compose: ([x], params) => {
    const plan = windowPlan("maxPool2d", x, params);
    const { lead, planes, rows, columns, elements, windows } = plan;
    const patches = reshape(unfold(x, { ...params, value: -Infinity }), { shape: [planes, elements, windows] });
    const [values, places] = max(patches, { dim: 1 });
    const positions = expand(insidePositions(plan, x), { shape: [planes, elements, windows] });
    const shape = [...lead, rows, columns];
    return [reshape(values, { shape }), reshape(gather(positions, places, { dim: 1 }), { shape })];
  },
  saves: { outputs: [1] },
  vjp: ({ grads: [dy], outputs: [, positions], inputSpecs: [x], params }) => {
    const { planes, height, width, windows } = windowPlan("maxPool2d", x, params);
    const flat = { shape: [planes, windows] };
    const sums = { dim: 1, shape: [planes, height * width] };
    return [reshape(scatterAdd(reshape(dy, flat), reshape(positions, flat), sums), { shape: x.shape })];
  },
});
