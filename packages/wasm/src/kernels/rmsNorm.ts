import type { rmsNorm, rmsNormBackward, rmsNormWeightBackward } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const rmsNormKernel: WasmKernel = kernel<typeof rmsNorm>("rmsNorm", (k, [x, weight], [out], { eps }) =>
  k.rmsNorm(x.ptr, weight.ptr, out.ptr, x.size / weight.size, weight.size, eps),
);

export const rmsNormBackwardKernel: WasmKernel = kernel<typeof rmsNormBackward>(
  "rmsNormBackward",
  (k, [dy, x, weight], [dx], { eps }) => {
    k.rmsNormBackward(dy.ptr, x.ptr, weight.ptr, dx.ptr, x.size / weight.size, weight.size, eps);
  },
);

export const rmsNormWeightBackwardKernel: WasmKernel = kernel<typeof rmsNormWeightBackward>(
  "rmsNormWeightBackward",
  (k, [dy, x], [dw], { eps }, scratch) => {
    k.rmsNormWeightBackward(dy.ptr, x.ptr, dw.ptr, scratch(4 * dw.size), x.size / dw.size, dw.size, eps);
  },
);
