import type {
  layerNorm,
  layerNormBackward,
  layerNormWeightBackward,
  rmsNorm,
  rmsNormBackward,
  rmsNormWeightBackward,
} from "@lowrank/core/backend";
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
