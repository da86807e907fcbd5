import type { layerNorm, layerNormBackward, layerNormWeightBackward } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const layerNormKernel: WasmKernel = kernel<typeof layerNorm>(
  "layerNorm",
  (k, [x, weight, bias], [out], { eps }) => {
    k.layerNorm(x.ptr, weight.ptr, bias.ptr, out.ptr, x.size / weight.size, weight.size, eps);
  },
);

export const layerNormBackwardKernel: WasmKernel = kernel<typeof layerNormBackward>(
  "layerNormBackward",
  (k, [dy, x, weight], [dx], { eps }) => {
    k.layerNormBackward(dy.ptr, x.ptr, weight.ptr, dx.ptr, x.size / weight.size, weight.size, eps);
  },
);

export const layerNormWeightBackwardKernel: WasmKernel = kernel<typeof layerNormWeightBackward>(
  "layerNormWeightBackward",
  (k, [dy, x], [dw], { eps }, scratch) => {
    k.layerNormWeightBackward(dy.ptr, x.ptr, dw.ptr, scratch(4 * dw.size), x.size / dw.size, dw.size, eps);
  },
);
