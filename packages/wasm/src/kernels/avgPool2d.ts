import type { AvgPoolParams, avgPool2d, avgPool2dBackward, TensorSpec } from "@lowrank/core/backend";
import { windowPlan } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

/** The arguments that say which windows slide over x, and by what their sums are divided. */
function poolArguments(x: TensorSpec, params: AvgPoolParams) {
  const { planes, height, width, kernel, rows, columns, stride, padding } = windowPlan("avgPool2d", x, params);
  const border = params.countIncludePad ? padding : ([0, 0] as const);
  return [planes, height, width, ...kernel, rows, columns, ...stride, ...padding, ...border] as const;
}

export const avgPool2dKernel: WasmKernel = kernel<typeof avgPool2d>("avgPool2d", (k, [x], [out], params) => {
  k.avgPool2d(x.ptr, out.ptr, ...poolArguments(x, params));
});

export const avgPool2dBackwardKernel: WasmKernel = kernel<typeof avgPool2dBackward>(
  "avgPool2dBackward",
  (k, [dy], [dx], params) => {
    k.avgPool2dBackward(dy.ptr, dx.ptr, ...poolArguments(dx, params));
  },
);
