import type { fold, unfold, WindowPlan } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

/** Returns the kernel arguments that describe the planes and the sliding windows. */
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
