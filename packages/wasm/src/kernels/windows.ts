import type { avgPool2d, avgPool2dBackward, fold, maxPool2d, unfold, WindowPlan } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

/** Returns the kernel arguments that describe the planes (2D images) and the sliding windows over them. */
function windowArguments(plan: WindowPlan) {
  const { planes, height, width, kernel, rows, columns, stride, padding, dilation } = plan;
  return [planes, height, width, ...kernel, rows, columns, ...stride, ...padding, ...dilation] as const;
}

export const unfoldKernel: WasmKernel = kernel<typeof unfold>("unfold", (k, [x], [out], params, _, { plan }) => {
  k.unfold(x.ptr, out.ptr, ...windowArguments(plan([x], [out], params)), params.value ?? 0);
});

export const foldKernel: WasmKernel = kernel<typeof fold>("fold", (k, [x], [out], params, _, { plan }) => {
  k.fold(x.ptr, out.ptr, ...windowArguments(plan([x], [out], params)));
});

export const maxPool2dKernel: WasmKernel = kernel<typeof maxPool2d>(
  "maxPool2d",
  (k, inputs, outputs, params, _, { plan }) => {
    const [[x], [values, positions]] = [inputs, outputs];
    const { planes, height, width, kernel, rows, columns, stride, padding } = plan(inputs, outputs, params);
    const window = [...kernel, rows, columns, ...stride, ...padding] as const;
    k.maxPool2d(x.ptr, values.ptr, positions.ptr, planes, height, width, ...window);
  },
);

/**
 * Returns the kernel arguments that describe the pooling windows over x. The last two are the vertical and horizontal
 * padding that count as elements in an average: the plan's padding if `countIncludePad` is true, otherwise 0.
 */
function poolArguments(plan: WindowPlan, countIncludePad: boolean) {
  const { planes, height, width, kernel, rows, columns, stride, padding } = plan;
  const border = countIncludePad ? padding : ([0, 0] as const);
  return [planes, height, width, ...kernel, rows, columns, ...stride, ...padding, ...border] as const;
}

export const avgPool2dKernel: WasmKernel = kernel<typeof avgPool2d>(
  "avgPool2d",
  (k, [x], [out], params, _, { plan }) => {
    k.avgPool2d(x.ptr, out.ptr, ...poolArguments(plan([x], [out], params), params.countIncludePad));
  },
);

export const avgPool2dBackwardKernel: WasmKernel = kernel<typeof avgPool2dBackward>(
  "avgPool2dBackward",
  (k, [dy], [dx], params, _, { plan }) => {
    k.avgPool2dBackward(dy.ptr, dx.ptr, ...poolArguments(plan([dy], [dx], params), params.countIncludePad));
  },
);
